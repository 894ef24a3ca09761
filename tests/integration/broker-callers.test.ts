import { describe, expect, inject, it } from 'vitest'
import { answering, BrokerWorld, envelope, until } from '../helpers/broker-world.ts'

const A = 'a'.repeat(16)
const B = 'b'.repeat(16)
const of = (caller: string) => ({ ...envelope(), caller })
const full = { code: 'too_many_outstanding' }

const open = () => BrokerWorld.open(inject('amqpUrl'))

/** The queues of tickets are no part of what a world knows to delete. */
async function forget(world: BrokerWorld): Promise<void> {
  for (const caller of [A, B]) await world.channel.deleteQueue(world.names.tickets(caller))
}

describe('the scheduled executions of a caller', () => {
  it('are limited together, whichever replica takes them, and those of others are not', async () => {
    await using world = await open()
    const [first, second] = [await world.publisher(), await world.publisher()]
    for (const publisher of [first, first, second]) await publisher.schedule(of(A), 3)
    await until(async () => (await world.depth(world.names.tickets(A))) === 3)
    await new Promise((resolve) => setTimeout(resolve, 300))
    for (const publisher of [first, second]) await expect(publisher.schedule(of(A), 3)).rejects.toMatchObject(full)
    await second.schedule(of(B), 3)
    // A replica that starts now knows it as well.
    await expect((await world.publisher()).schedule(of(A), 3)).rejects.toMatchObject(full)
    await forget(world)
  })

  it('are limited on one replica also when all come at once', async () => {
    await using world = await open()
    const publisher = await world.publisher()
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => publisher.schedule(of(A), 10)))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(10)
    await forget(world)
  })

  it('may be followed by more when they have ended, also as lost ones', async () => {
    await using world = await open()
    const publisher = await world.publisher()
    for (let count = 0; count < 2; count++) await publisher.schedule(of(A), 2)
    const consumer = await world.consumer()
    let verdict: 'ack' | 'dead-letter' = 'dead-letter'
    await consumer.consume('python', 1, async () => {
      const given = verdict
      verdict = 'ack'
      return given
    })
    await consumer.consumeDeadLetters(answering().handle)
    await until(async () => (await world.depth(world.names.tickets(A))) === 0)
    await new Promise((resolve) => setTimeout(resolve, 300))
    for (let count = 0; count < 2; count++) await publisher.schedule(of(A), 2)
    await forget(world)
  })

  it('do not count when the queue refused them', async () => {
    await using world = await BrokerWorld.open(inject('amqpUrl'), { QUEUE_MAX_LENGTH: 1 })
    const publisher = await world.publisher()
    // The broker notices that a queue is full a moment after it is.
    let taken = 0
    const fill = async () => {
      for (; taken < 1_000; taken++) await publisher.schedule(of(A), 10_000)
    }
    await expect(fill()).rejects.toMatchObject({ code: 'queue_full' })
    await until(async () => (await world.depth(world.names.tickets(A))) === taken)
    await forget(world)
  })

  it('need no ticket where nothing is limited, and an end without a ticket harms nobody', async () => {
    await using world = await open()
    const publisher = await world.publisher()
    const { deliveries, handle } = answering()
    await (await world.consumer()).consume('python', 1, handle)
    for (let count = 0; count < 3; count++) await publisher.schedule(of(A))
    await until(() => deliveries.length === 3)
    expect([...world.log.of('warn'), ...world.log.of('error')]).toEqual([])
  })
})
