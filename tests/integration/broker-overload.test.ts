import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, inject, it } from 'vitest'
import { emptyResult } from '../../core/execution.ts'
import { BrokerWorld, envelope } from '../helpers/broker-world.ts'

/** Two places, 50 ms each: 40 runs a second. */
async function serve(world: BrokerWorld): Promise<void> {
  const consumer = await world.consumer()
  await consumer.consume('python', 2, async ({ envelope: { id }, reply }) => {
    await sleep(50)
    reply?.({ id, result: emptyResult('succeeded') })
    return 'ack'
  })
}

describe('three times as many runs as can be served', () => {
  it('are turned away at once but for those that have their result in time', async () => {
    await using world = await BrokerWorld.open(inject('amqpUrl'))
    const publisher = await world.publisher()
    await serve(world)
    const became: Record<string, number> = {}
    const count = (what: string) => {
      became[what] = (became[what] ?? 0) + 1
    }
    const runs: Promise<void>[] = []
    for (let sent = 0; sent < 600; sent++) {
      const run = publisher.run(envelope(), 2_000)
      runs.push(
        run.then(
          (answer) => count(answer === undefined ? 'outlasted' : 'answered'),
          (error: { code?: string }) => count(String(error.code)),
        ),
      )
      await sleep(8)
    }
    await Promise.all(runs)
    expect(Object.keys(became).sort()).toEqual(['answered', 'overloaded'])
    expect(became.answered).toBeGreaterThan(100)
    expect(became.overloaded).toBeGreaterThan(100)
    // And when they are gone, there is room again.
    expect(await publisher.run(envelope(), 2_000)).toBeDefined()
  })
})
