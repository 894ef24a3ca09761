import { describe, expect, inject, it } from 'vitest'
import type { Delivery, Verdict } from '../../core/ports.ts'
import { BrokerWorld, envelope, until } from '../helpers/broker-world.ts'

const open = (changes = {}) => BrokerWorld.open(inject('amqpUrl'), changes)

/** A handler whose deliveries end one by one, when the test says so. */
class HeldHandler {
  readonly #held: (() => void)[] = []
  running = 0
  most = 0
  ended = 0

  handle = async (_delivery: Delivery): Promise<Verdict> => {
    this.most = Math.max(this.most, ++this.running)
    await new Promise<void>((resolve) => this.#held.push(resolve))
    this.running--
    this.ended++
    return 'ack'
  }

  release(count: number): void {
    for (const resolve of this.#held.splice(0, count)) resolve()
  }
}

async function scheduleMany(world: BrokerWorld, count: number) {
  const publisher = await world.publisher()
  await Promise.all(Array.from({ length: count }, () => publisher.schedule(envelope())))
  return publisher
}

/** Long enough for a broker on the same machine to deliver what it would deliver too much. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 300))

describe('the capacity', () => {
  it('is never exceeded, and always used', async () => {
    await using world = await open()
    await scheduleMany(world, 20)
    const held = new HeldHandler()
    await (await world.consumer()).consume('python', 3, held.handle)
    for (let ended = 0; ended < 18; ended += 2) {
      await until(() => held.running === 3)
      held.release(2)
      await until(() => held.ended === ended + 2)
    }
    expect(held.most).toBe(3)
    held.release(2)
    await until(() => held.ended === 20)
  })

  it('is one for each kind', async () => {
    await using world = await open()
    const publisher = await scheduleMany(world, 5)
    const held = new HeldHandler()
    await (await world.consumer()).consume('python', 2, held.handle)
    const runs = Array.from({ length: 5 }, () => publisher.run(envelope(), 2_000))
    await until(() => held.running === 4)
    await settled()
    expect(held.most).toBe(4)
    for (let left = 10; left > 0; left--) {
      await until(() => held.running > 0)
      held.release(1)
    }
    await Promise.all(runs)
  })

  it('can grow while deliveries are under way', async () => {
    await using world = await open()
    await scheduleMany(world, 10)
    const held = new HeldHandler()
    const consumer = await world.consumer()
    await consumer.consume('python', 2, held.handle)
    await until(() => held.running === 2)
    await consumer.consume('python', 5, held.handle)
    await until(() => held.running === 5)
    await settled()
    expect(held.most).toBe(5)
    held.release(5)
    await until(() => held.running === 5 && held.ended === 5)
    held.release(5)
  })

  it('can shrink while deliveries are under way: they are finished before anything new is taken', async () => {
    await using world = await open()
    await scheduleMany(world, 12)
    const held = new HeldHandler()
    const consumer = await world.consumer()
    await consumer.consume('python', 5, held.handle)
    await until(() => held.running === 5)
    await consumer.consume('python', 2, held.handle)
    held.release(3)
    await until(() => held.ended === 3)
    await settled()
    expect(held.running).toBe(2)
    held.release(1)
    await until(() => held.ended === 4 && held.running === 2)
    for (let ended = 5; ended <= 12; ended++) {
      await until(() => held.running > 0)
      held.release(1)
      await until(() => held.ended === ended)
      expect(held.running).toBeLessThanOrEqual(2)
    }
  })

  it('of 0 takes nothing, and what comes after takes all', async () => {
    await using world = await open()
    await scheduleMany(world, 4)
    const held = new HeldHandler()
    const consumer = await world.consumer()
    await consumer.consume('python', 0, held.handle)
    await settled()
    expect(held.most).toBe(0)
    await consumer.consume('python', 1, held.handle)
    await until(() => held.running === 1)
    await consumer.consume('python', 0, held.handle)
    held.release(1)
    await until(() => held.ended === 1)
    await settled()
    expect(held.running).toBe(0)
    expect(await world.depth(world.names.executions('python'))).toBe(3)
    await consumer.consume('python', 4, held.handle)
    await until(() => held.running === 3)
    held.release(3)
  })
})

describe('changing the capacity under load', () => {
  it('neither loses nor repeats anything, and breaks no connection', async () => {
    await using world = await open()
    const consumer = await world.consumer()
    const seen: string[] = []
    let running = 0
    let most = 0
    const handle = async ({ envelope: { id } }: Delivery): Promise<Verdict> => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, 2))
      running--
      seen.push(id)
      return 'ack'
    }
    const publisher = await world.publisher()
    const sent = Array.from({ length: 2_000 }, () => envelope())
    await consumer.consume('python', 20, handle)
    const publishing = Promise.all(sent.map((one) => publisher.schedule(one)))
    for (let round = 0; seen.length < sent.length; round++) {
      await consumer.consume('python', [1, 20, 0, 7][round % 4] ?? 1, handle)
      await new Promise((resolve) => setTimeout(resolve, 15))
    }
    await publishing
    expect(seen.toSorted()).toEqual(sent.map(({ id }) => id).toSorted())
    // What was on its way when a consumer was cancelled comes on top of what the next one may take; given back it would count as an attempt.
    expect(most).toBeLessThanOrEqual(40)
    expect(world.log.of('warn')).toEqual([])
    await until(async () => (await world.depth(world.names.executions('python'))) === 0)
    expect(await world.depth(world.names.deadLetters)).toBe(0)
  })
})

describe('stopping', () => {
  it('takes nothing new, and lets what is under way be acknowledged', async () => {
    await using world = await open()
    await scheduleMany(world, 5)
    const held = new HeldHandler()
    const consumer = await world.consumer()
    await consumer.consume('python', 2, held.handle)
    await until(() => held.running === 2)
    await consumer.stop()
    held.release(2)
    await until(() => held.ended === 2)
    await consumer[Symbol.asyncDispose]()
    expect(held.most).toBe(2)
    await until(async () => (await world.depth(world.names.executions('python'))) === 3)
  })

  it('hands back at once what it held for another attempt', async () => {
    await using world = await open()
    await scheduleMany(world, 1)
    const consumer = await world.consumer()
    const failed = Promise.withResolvers<void>()
    await consumer.consume('python', 1, async () => {
      failed.resolve()
      return 'requeue'
    })
    await failed.promise
    await consumer.stop()
    await until(async () => (await world.depth(world.names.executions('python'))) === 1)
  })
})
