import { describe, expect, it } from 'vitest'
import { emptyResult } from '../core/execution.ts'
import type { RunAnswer } from './pending-runs.ts'
import { RunWatch } from './run-watch.ts'
import { namesOf } from './topology.ts'

/** Callers who wait 2 s each, a queue of a length that the test sets, and a time that moves when the test says so. */
function arrange() {
  const world = { now: 0, length: 0 as number | undefined, looks: [] as string[] }
  const messagesIn = async (queue: string) => {
    world.looks.push(queue)
    return world.length
  }
  const watch = new RunWatch(namesOf('test.'), { messagesIn }, () => world.now)
  const ends: ((answer: RunAnswer) => void)[] = []
  const ask = (language = 'python') => {
    const { promise, resolve } = Promise.withResolvers<RunAnswer>()
    ends.push(resolve)
    return watch.admit(language, 2_000, () => promise)
  }
  return { world, ask, ends }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))
const done = { result: emptyResult('succeeded') }

describe('a run', () => {
  it('is refused at once when those before it take longer than its caller waits', async () => {
    const { world, ask, ends } = arrange()
    const others: Promise<unknown>[] = Array.from({ length: 30 }, () => ask())
    world.length = 20
    for (world.now = 100; world.now <= 1_300; world.now += 100) {
      others.push(ask().catch(() => undefined))
      await settled()
      ends.shift()?.(done)
    }
    await expect(ask()).rejects.toMatchObject({ code: 'overloaded', retryAfterSeconds: 3 })
    for (const end of ends) end(done)
    await Promise.allSettled(others)
  })

  it('is let in when its queue is empty, or nobody knows', async () => {
    for (const length of [0, undefined]) {
      const { world, ask, ends } = arrange()
      world.length = length
      const runs = Array.from({ length: 50 }, () => ask())
      for (world.now = 100; world.now <= 3_000; world.now += 100) {
        runs.push(ask())
        await settled()
      }
      for (const end of ends) end(done)
      expect((await Promise.allSettled(runs)).every(({ status }) => status === 'fulfilled')).toBe(true)
    }
  })

  it('does not ask for the length of its queue more than it must', async () => {
    const { world, ask } = arrange()
    for (const _ of [1, 2, 3]) void ask()
    await settled()
    expect(world.looks).toEqual([])
    for (let count = 0; count < 100; count++, world.now += 10) {
      void ask()
      await settled()
    }
    expect(world.looks.length).toBe(10)
    expect(new Set(world.looks)).toEqual(new Set(['test.runs.python']))
  })

  it('of one language is not refused for those of another', async () => {
    const { world, ask, ends } = arrange()
    const crowd = Array.from({ length: 30 }, () => ask())
    world.length = 20
    for (world.now = 100; world.now <= 2_000; world.now += 100) {
      crowd.push(ask().catch(() => undefined))
      await settled()
    }
    await expect(ask()).rejects.toMatchObject({ code: 'overloaded' })
    const other = ask('bash')
    for (const end of ends) end(done)
    expect(await other).toEqual(done)
    await Promise.allSettled(crowd)
  })
})
