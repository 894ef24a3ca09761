import { describe, expect, it } from 'vitest'
import { readConfig } from '../core/config.ts'
import { RunnerConfig } from './config.ts'

const NEEDED = {
  AMQP_URL: 'amqp://guest:guest@127.0.0.1:5672',
  NAMESPACE: 'sandboxes',
  RUNNER_NAME: 'runlet-runner-5c8f-abc',
  LANGUAGES: JSON.stringify({ python: { image: 'runlet/python' } }),
}
const languages = (value: unknown) => () => readConfig(RunnerConfig, { ...NEEDED, LANGUAGES: JSON.stringify(value) })

describe('RunnerConfig', () => {
  it('needs little, and has a default for the rest', () => {
    expect(readConfig(RunnerConfig, NEEDED)).toMatchObject({
      LANGUAGES: { python: { pool: { warm: 1, max: 4 }, sandbox: { image: 'runlet/python' } } },
      DRAIN_SECONDS: 70,
      RETENTION_SECONDS: 3600,
      REFILL_AT_ONCE: 2,
      MAX_IDLE_SECONDS: 3600,
      METRICS_PORT: 9090,
      LOG_LEVEL: 'info',
      TIMINGS: false,
    })
  })

  it('takes more than may run at a time where records are written in groups', () => {
    const { python } = languages({ python: { image: 'p', tier: 'nested', max: 9 } })().LANGUAGES
    expect(python?.pool).toMatchObject({ max: 9, ahead: 72 })
  })

  it('tells the pool from the sandboxes, and leaves aliases to the api', () => {
    const python = { image: 'p', aliases: ['py'], tier: 'job', warm: 3, max: 9, hostUsers: false, tmpSize: '16Mi' }
    expect(languages({ python })().LANGUAGES).toEqual({
      python: {
        pool: { warm: 3, max: 9, ahead: 0 },
        tier: 'job',
        nested: { slots: 4, executionsPerJob: 2000, maxAgeSeconds: 900 },
        sandbox: { image: 'p', hostUsers: false, tmpSize: '16Mi' },
      },
    })
  })

  it('takes a tier, and what it is to be like', () => {
    const python = { image: 'p', tier: 'nested', nested: { slots: 8 } }
    const { LANGUAGES } = readConfig(RunnerConfig, { ...NEEDED, LANGUAGES: JSON.stringify({ python }) })
    expect(LANGUAGES.python).toMatchObject({ tier: 'nested', nested: { slots: 8, maxAgeSeconds: 900 } })
  })

  it('names everything that is missing at once', () => {
    expect(() => readConfig(RunnerConfig, {})).toThrow(/AMQP_URL.*NAMESPACE.*LANGUAGES.*RUNNER_NAME/s)
  })

  it.each([
    ['no language', {}, /names no language/],
    ['no image', { python: {} }, /image/],
    ['a name that can be no label', { 'C++': { image: 'c' } }, /LANGUAGES/],
    ['more warm than may live', { python: { image: 'p', warm: 5, max: 4 } }, /warm is above max/],
    ['no sandbox at all', { python: { image: 'p', max: 0 } }, /max/],
    ['a tier that is not there', { python: { image: 'p', tier: 'hover' } }, /tier/],
    ['a Job without slots', { python: { image: 'p', nested: { slots: 0 } } }, /slots/],
    ['a setting that is not there', { python: { image: 'p', wram: 1 } }, /wram/],
  ])('refuses %s', (_, value, message) => {
    expect(languages(value)).toThrow(message)
  })
})
