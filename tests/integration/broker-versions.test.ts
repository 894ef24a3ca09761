import { describe, expect, inject, it } from 'vitest'
import { answering, BrokerWorld, envelope, until } from '../helpers/broker-world.ts'

const open = () => BrokerWorld.open(inject('amqpUrl'))
const NEWER = Buffer.from(JSON.stringify({ version: 2, id: 'what this Runlet can not know' }))
const PUT_ASIDE = 'An execution is for a newer Runlet, and is put aside for it'

/** What another Runlet may have left in a queue. */
const leave = (world: BrokerWorld, queue: string, content: Buffer, more: object = {}) =>
  world.channel.publish(world.names.work, queue, content, { persistent: true, messageId: 'left', ...more })

describe('an execution of a newer version', () => {
  it('is put aside once, as it is, and keeps nobody from being served', async () => {
    await using world = await open()
    const publisher = await world.publisher()
    for (let count = 0; count < 20; count++) leave(world, world.names.executions('python'), NEWER)
    const sent = envelope()
    await publisher.schedule(sent)
    const { deliveries, handle } = answering()
    await (await world.consumer()).consume('python', 2, handle)
    await until(() => deliveries.length === 1)
    expect(deliveries[0]?.envelope).toEqual(sent)
    await until(async () => (await world.depth(world.names.parked)) === 20)
    // Longer than what is handed out again is held: it would come round.
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect(world.log.of('warn').filter((line) => line === PUT_ASIDE)).toHaveLength(20)
    expect(await world.depth(world.names.executions('python'))).toBe(0)
    const parked = await world.channel.get(world.names.parked, { noAck: true })
    expect(parked).toMatchObject({ content: NEWER })
    expect(await publisher.mayStillRun(sent.id)).toBe(true)
  })

  it('is put aside also when it was given up, and not recorded as lost', async () => {
    await using world = await open()
    await world.publisher()
    leave(world, world.names.executions('python'), NEWER)
    await world.channel.publish(world.names.deadLetterExchange, '', NEWER, { messageId: 'dead' })
    const dead = answering()
    await (await world.consumer()).consumeDeadLetters(dead.handle)
    await until(async () => (await world.depth(world.names.parked)) === 1)
    expect(dead.deliveries).toEqual([])
  })

  it('has its caller told at once where somebody waits for it', async () => {
    await using world = await open()
    await world.publisher()
    const { queue } = await world.channel.assertQueue(world.names.replies('of-a-newer-api'), { exclusive: true })
    await world.channel.bindQueue(queue, world.names.work, queue)
    await (await world.consumer()).consume('python', 1, answering().handle)
    const headers = { 'runlet-reply-before': Date.now() + 60_000 }
    leave(world, world.names.runs('python'), NEWER, { replyTo: queue, correlationId: 'its id', headers })
    const replies: string[] = []
    await world.channel.consume(queue, (message) => void replies.push(String(message?.content)), { noAck: true })
    await until(() => replies.length === 1)
    expect(JSON.parse(replies[0] ?? '')).toMatchObject({ id: 'its id', error: { code: 'no_capacity' } })
    expect(await world.depth(world.names.parked)).toBe(0)
  })
})

describe('executions that were put aside', () => {
  it('are run by a runner that can read them, from its start, and the others stay', async () => {
    await using world = await open()
    await world.publisher()
    const readable = envelope()
    for (const content of [NEWER, Buffer.from(JSON.stringify(readable)), NEWER])
      leave(world, world.names.parked, content)
    await until(async () => (await world.depth(world.names.parked)) === 3)
    const { deliveries, handle } = answering()
    await (await world.consumer()).consume('python', 2, handle)
    await until(() => deliveries.length === 1)
    expect(deliveries).toMatchObject([{ envelope: readable, redelivered: true }])
    await until(async () => (await world.depth(world.names.parked)) === 2)
  })
})
