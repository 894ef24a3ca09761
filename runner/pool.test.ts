import { describe, expect, it } from 'vitest'
import { FakeClock, settled } from '../tests/fakes/clock.ts'
import { silentLog } from '../tests/fakes/local.ts'
import { MemoryMetrics } from '../tests/fakes/metrics.ts'
import { FakeSandboxProvider } from '../tests/fakes/sandbox-provider.ts'
import { Pool } from './pool.ts'
import { DEFAULT_SETTINGS } from './settings.ts'

async function arrange() {
  const provider = new FakeSandboxProvider()
  provider.auto = () => {}
  const dependencies = { provider, metrics: new MemoryMetrics(), log: silentLog, clock: new FakeClock() }
  const languages = { python: { warm: 1, max: 2 }, javascript: { warm: 2, max: 2 } }
  const pool = new Pool(languages, { ...dependencies, settings: DEFAULT_SETTINGS })
  await settled()
  return { provider, pool }
}

describe('Pool', () => {
  it('keeps each language apart', async () => {
    const { pool } = await arrange()
    const { sandbox, path } = await pool.claim('javascript', { priority: 'run' })
    expect([sandbox.language, path]).toEqual(['javascript', 'warm'])
    expect(pool.capacity('python')).toMatchObject({ idle: 1, claimed: 0 })
    expect(pool.capacity('javascript')).toMatchObject({ idle: 1, claimed: 1 })
  })

  it('knows no other language', async () => {
    const { pool } = await arrange()
    await expect(pool.claim('cobol', { priority: 'run' })).rejects.toMatchObject({ code: 'internal' })
    expect(() => pool.capacity('cobol')).toThrow('cobol')
    expect(pool.refusal('cobol')).toBeUndefined()
  })

  it('drains all languages and leaves what is claimed until it is disposed of', async () => {
    const { pool, provider } = await arrange()
    const { sandbox } = await pool.claim('python', { priority: 'run' })
    await pool.drain()
    const destroyed = () => provider.sandboxes.map((each) => each.destroyed)
    expect(destroyed()).toEqual(provider.sandboxes.map((each) => (each === sandbox ? 0 : 1)))
    await pool[Symbol.asyncDispose]()
    expect(destroyed()).toEqual(provider.sandboxes.map(() => 1))
  })
})
