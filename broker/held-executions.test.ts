import { describe, expect, it } from 'vitest'
import type { QueueDepth } from '../core/ports.ts'
import { HeldExecutions } from './held-executions.ts'

const MINUTE = 60_000

/** Two languages and one attempt; what waits is what the test says. */
function arrange() {
  const world = { now: 0, python: 0, dead: 0, parked: 0, connected: true, looks: 0 }
  const read = async (languages: readonly string[]): Promise<QueueDepth[]> => {
    world.looks++
    if (!world.connected) return []
    return [
      ...languages.flatMap((language): QueueDepth[] => [
        { language, queue: 'executions', messages: language === 'python' ? world.python : 0 },
        { language, queue: 'runs', messages: 7 },
      ]),
      { language: 'all', queue: 'dead-letters', messages: world.dead },
      { language: 'all', queue: 'parked', messages: world.parked },
    ]
  }
  const held = new HeldExecutions({
    depths: { read },
    languages: ['python', 'bash'],
    attempts: 1,
    now: () => world.now,
  })
  return { world, held }
}

describe('executions may be on their way', () => {
  it('for a while after the start: nobody knows what was before', async () => {
    const { world, held } = arrange()
    await using _held = held
    world.now = 16 * MINUTE
    expect(await held.any()).toBe(true)
    world.now = 17 * MINUTE
    expect(await held.any()).toBe(false)
  })

  it.each([
    ['some wait', { python: 1 }],
    ['some were given up', { dead: 1 }],
    ['some are for a newer runner', { parked: 1 }],
    ['nobody can ask', { connected: false }],
  ])('while %s, and as long after that as an attempt may take', async (_, state) => {
    const { world, held } = arrange()
    await using _held = held
    world.now = 60 * MINUTE
    Object.assign(world, state)
    expect(await held.any()).toBe(true)
    Object.assign(world, { python: 0, dead: 0, parked: 0, connected: true })
    world.now = 76 * MINUTE
    expect(await held.any()).toBe(true)
    world.now = 77 * MINUTE
    expect(await held.any()).toBe(false)
  })

  it('is asked once a second at most, however many want to know', async () => {
    const { world, held } = arrange()
    await using _held = held
    for (let count = 0; count < 50; count++, world.now += 100) await Promise.all([held.any(), held.any()])
    expect(world.looks).toBe(5)
  })
})
