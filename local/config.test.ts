import { describe, expect, it } from 'vitest'
import { readConfig } from '../core/config.ts'
import { LocalConfig } from './config.ts'

describe('LocalConfig', () => {
  it('needs nothing, and listens on this machine only', () => {
    const config = readConfig(LocalConfig, {})
    expect(config).toMatchObject({ HOST: '127.0.0.1', PORT: 8080, DATA_DIR: './data', WARM: 2, TIMINGS: false })
    expect(config.LIMITS.wallTimeMs).toEqual({ default: 10_000, maximum: 60_000 })
    expect(config.MAX).toBeUndefined()
  })

  it('takes what is set', () => {
    const environment = { PORT: '0', WARM: '0', LIMITS: '{"wallTimeMs": {"default": 100, "maximum": 200}}' }
    const config = readConfig(LocalConfig, environment)
    expect([config.PORT, config.WARM, config.LIMITS.wallTimeMs.maximum]).toEqual([0, 0, 200])
  })

  it('names everything that is wrong', () => {
    const wrong = { PORT: '70000', WARM: 'two', TIMINGS: 'yes', LIMITS: '{"wallTimeMs": {"default": 0}}' }
    expect(() => readConfig(LocalConfig, wrong)).toThrow(/TIMINGS.*PORT.*WARM.*LIMITS\.wallTimeMs\.default/s)
  })
})
