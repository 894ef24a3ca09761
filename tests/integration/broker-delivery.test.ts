import { describe, expect, inject, it } from 'vitest'
import { connectPublisher } from '../../broker/publisher.ts'
import { AppError } from '../../core/errors.ts'
import type { Delivery, Reply } from '../../core/ports.ts'
import { answering, BrokerWorld, envelope, until } from '../helpers/broker-world.ts'

const open = (changes = {}) => BrokerWorld.open(inject('amqpUrl'), changes)

describe('a scheduled execution', () => {
  it('reaches a consumer as it was, once, with nobody to answer', async () => {
    await using world = await open()
    const publisher = await world.publisher()
    const consumer = await world.consumer()
    const { deliveries, handle } = answering()
    await consumer.consume('python', 4, handle)
    const sent = envelope('print("ä\u0000😀")')
    await publisher.schedule(sent)
    await until(() => deliveries.length === 1)
    expect(deliveries).toMatchObject([{ envelope: sent, redelivered: false, isHeld: expect.any(Function) }])
    await until(async () => (await world.depth(world.names.executions('python'))) === 0)
  })

  it('waits in its queue, on disk, for a consumer that comes later', async () => {
    await using world = await open()
    const publisher = await world.publisher()
    const sent = envelope()
    await publisher.schedule(sent)
    const { deliveries, handle } = answering()
    await (await world.consumer()).consume('python', 1, handle)
    await until(() => deliveries.length === 1)
    expect(deliveries[0]?.envelope.id).toBe(sent.id)
  })

  it('is refused with queue_full when the queue is full, and taken again when there is room', async () => {
    await using world = await open({ QUEUE_MAX_LENGTH: 3 })
    const publisher = await world.publisher()
    const refusal = await firstError(() => publisher.schedule(envelope()), 50)
    expect(refusal).toMatchObject({ code: 'queue_full' })
    await (await world.consumer()).consume('python', 4, answering().handle)
    await until(() =>
      publisher.schedule(envelope()).then(
        () => true,
        () => false,
      ),
    )
  })

  it('is handed out again when the handler says so, is marked, and given up after the limit', async () => {
    await using world = await open({ DELIVERY_LIMIT: 2 })
    const publisher = await world.publisher()
    const consumer = await world.consumer()
    const failing = answering('requeue')
    const dead = answering()
    await consumer.consume('python', 1, failing.handle)
    await consumer.consumeDeadLetters(dead.handle)
    const sent = envelope()
    await publisher.schedule(sent)
    await until(() => dead.deliveries.length === 1)
    expect(failing.deliveries.map(({ redelivered }) => redelivered)).toEqual([false, true, true])
    expect(dead.deliveries).toMatchObject([{ envelope: sent, redelivered: true, isHeld: expect.any(Function) }])
    await until(async () => (await world.depth(world.names.deadLetters)) === 0)
  })

  it('is given up at once when the handler says so, or throws what no repetition mends', async () => {
    await using world = await open()
    const publisher = await world.publisher()
    const consumer = await world.consumer()
    const dead = answering()
    await consumer.consumeDeadLetters(dead.handle)
    await consumer.consume('python', 2, async ({ envelope: { program } }) => {
      if (program.code === 'throw') throw new AppError('not_found')
      return 'dead-letter'
    })
    await publisher.schedule(envelope('give up'))
    await publisher.schedule(envelope('throw'))
    await until(() => dead.deliveries.length === 2)
    expect(dead.deliveries.map((delivery) => delivery.envelope.program.code).sort()).toEqual(['give up', 'throw'])
  })

  it('is handed out again after a handler threw anything else', async () => {
    await using world = await open()
    const publisher = await world.publisher()
    const consumer = await world.consumer()
    const seen: boolean[] = []
    await consumer.consume('python', 1, async ({ redelivered }) => {
      seen.push(redelivered)
      if (seen.length === 1) throw new TypeError('a bug')
      return 'ack'
    })
    await publisher.schedule(envelope())
    await until(() => seen.length === 2)
    expect(seen).toEqual([false, true])
    expect(world.log.of('error')).toContain('A delivery failed')
  })
})

describe('a run', () => {
  it('brings back the reply', async () => {
    await using world = await open()
    const publisher = await world.publisher()
    const { deliveries, handle } = answering()
    await (await world.consumer()).consume('python', 4, handle)
    const before = Date.now()
    const answer = await publisher.run(envelope('print(7)'), 10_000)
    expect(answer?.result).toMatchObject({ status: 'succeeded', stdout: 'print(7)' })
    expect(deliveries[0]?.redelivered).toBe(false)
    expect(deliveries[0]?.replyBefore).toBeGreaterThanOrEqual(before + 10_000)
    expect(deliveries[0]?.replyBefore).toBeLessThanOrEqual(Date.now() + 10_000)
  })

  it('throws the error that the runner replied', async () => {
    await using world = await open()
    const publisher = await world.publisher()
    await (await world.consumer()).consume('python', 1, async ({ envelope: { id }, reply }) => {
      reply?.({ id, error: { code: 'sandbox_lost', message: 'the pod was evicted' } })
      return 'ack'
    })
    const failure = publisher.run(envelope(), 10_000)
    await expect(failure).rejects.toMatchObject({ code: 'sandbox_lost', message: 'the pod was evicted' })
  })

  it('throws internal when the reply is not one', async () => {
    await using world = await open()
    const publisher = await world.publisher()
    await (await world.consumer()).consume('python', 1, async ({ envelope: { id }, reply }) => {
      reply?.({ id, result: 'all is well' } as unknown as Reply)
      return 'ack'
    })
    await expect(publisher.run(envelope(), 10_000)).rejects.toMatchObject({ code: 'internal' })
  })

  it('gives undefined when it outlasts the wait, and drops the late reply', async () => {
    await using world = await open()
    const publisher = await world.publisher()
    const taken: Delivery[] = []
    const finish = Promise.withResolvers<void>()
    await (await world.consumer()).consume('python', 2, async (delivery) => {
      taken.push(delivery)
      if (taken.length === 1) await finish.promise
      return await answering().handle(delivery)
    })
    expect(await publisher.run(envelope('slow'), 100)).toBeUndefined()
    finish.resolve()
    await until(() => world.log.of('debug').includes('A reply came too late'))
    expect((await publisher.run(envelope('fast'), 10_000))?.result.stdout).toBe('fast')
  })

  it('is answered on the replica that asked', async () => {
    await using world = await open()
    const replicas = [await world.publisher(), await world.publisher()]
    await (await world.consumer()).consume('python', 4, answering().handle)
    const asked = Array.from({ length: 40 }, (_, index) => ({ code: `print(${index})`, replica: replicas[index % 2] }))
    const answers = await Promise.all(asked.map(({ code, replica }) => replica?.run(envelope(code), 10_000)))
    expect(answers.map((answer) => answer?.result.stdout)).toEqual(asked.map(({ code }) => code))
  })

  it('is refused with queue_full at once when the queue is full', async () => {
    await using world = await open({ RUN_QUEUE_MAX_LENGTH: 2, RUN_QUEUE_TTL_MS: 60_000 })
    const publisher = await world.publisher()
    const waiting = Array.from({ length: 3 }, () =>
      publisher.run(envelope(), 200).catch((error: AppError) => error.code),
    )
    const refusal = await firstError(() => publisher.run(envelope(), 30_000), 1)
    expect(refusal).toMatchObject({ code: 'queue_full' })
    expect(await Promise.all(waiting)).toContain(undefined)
  })

  it('that no runner takes in time arrives among the dead letters, where its caller is still answered', async () => {
    await using world = await open({ RUN_QUEUE_TTL_MS: 100 })
    const publisher = await world.publisher()
    await (await world.consumer()).consumeDeadLetters(async ({ envelope: { id }, reply }) => {
      reply?.({ id, error: { code: 'no_capacity', message: 'nobody took it' } })
      return 'ack'
    })
    await expect(publisher.run(envelope(), 30_000)).rejects.toMatchObject({ code: 'no_capacity' })
  })

  it('that is given up when its caller no longer waits can be scheduled anew, marked as tried before', async () => {
    await using world = await open({ RUN_QUEUE_TTL_MS: 100 })
    const publisher = await world.publisher()
    const consumer = await world.consumer()
    const sent = envelope('outlasts the wait')
    const scheduled = answering('dead-letter')
    // Its sandbox is lost after its caller was told 202, when its time in the queue is over.
    await consumer.consume('python', 1, async (delivery) => {
      if (delivery.reply === undefined) return await scheduled.handle(delivery)
      await new Promise((resolve) => setTimeout(resolve, 300))
      return 'requeue'
    })
    expect(await publisher.run(sent, 200)).toBeUndefined()
    const dead: Delivery[] = []
    const taken: (boolean | undefined)[] = []
    await consumer.consumeDeadLetters(async (delivery) => {
      dead.push(delivery)
      taken.push(await delivery.reschedule?.())
      return 'ack'
    })
    await until(() => dead.length === 2)
    expect(taken).toEqual([true, undefined])
    expect(scheduled.deliveries).toMatchObject([{ envelope: sent, redelivered: true }])
    // The second time it is a scheduled execution that was given up.
    expect(dead[1]?.envelope).toEqual(sent)
    expect(dead[1]?.reschedule).toBeUndefined()
  })

  it('that outlasts its wait is looked at again before its record could have expired', async () => {
    await using world = await open()
    const settings = { ...world.settings, RUN_ADOPTED_MARGIN_MS: 3_600_000 }
    await using publisher = await connectPublisher({
      settings,
      languages: ['python'],
      log: world.log,
      retentionMs: 500,
    })
    await until(() => publisher.connected)
    const consumer = await world.consumer()
    const sent = envelope('outlasts the wait')
    await consumer.consume('python', 1, () => new Promise(() => undefined))
    expect(await publisher.run(sent, 100)).toBeUndefined()
    expect(await world.depth(world.names.adopted)).toBe(1)
    const dead = answering()
    await consumer.consumeDeadLetters(dead.handle)
    await until(() => dead.deliveries.length === 1)
    expect(dead.deliveries).toMatchObject([{ envelope: sent, reschedule: expect.any(Function) }])
  })

  it('that is given up stays among the dead letters while its queue is full', async () => {
    await using world = await open({ RUN_QUEUE_TTL_MS: 100, QUEUE_MAX_LENGTH: 1 })
    const publisher = await world.publisher()
    await firstError(() => publisher.schedule(envelope()), 50)
    expect(await publisher.run(envelope(), 200)).toBeUndefined()
    const taken: (boolean | undefined)[] = []
    const consumer = await world.consumer()
    await consumer.consumeDeadLetters(async (delivery) => {
      const done = await delivery.reschedule?.()
      taken.push(done)
      return done ? 'ack' : 'requeue'
    })
    await until(() => taken.length === 1)
    await consumer.consume('python', 4, answering().handle)
    await until(() => taken.includes(true))
    expect(taken[0]).toBe(false)
  })

  it('answers nobody whose address is not a reply queue of ours', async () => {
    await using world = await open()
    await world.publisher()
    const { deliveries, handle } = answering()
    await (await world.consumer()).consume('python', 1, handle)
    const content = Buffer.from(JSON.stringify(envelope()))
    world.channel.publish(world.names.work, world.names.runs('python'), content, {
      replyTo: world.names.executions('python'),
    })
    await until(() => deliveries.length === 1)
    expect(deliveries[0]?.reply).toBeUndefined()
  })
})

describe('a message that is no execution', () => {
  const invalid = [
    ['no JSON', 'print(1)'],
    ['nothing', ''],
    ['another shape', '{"version":1}'],
    ['no version there ever was', JSON.stringify({ ...envelope(), version: 0 })],
    ['for another language', JSON.stringify(envelope('1', 'javascript'))],
  ] as const

  it.each(invalid)('%s: is put aside, and the next one is taken', async (_, text) => {
    await using world = await open()
    const publisher = await world.publisher()
    const { deliveries, handle } = answering()
    const consumer = await world.consumer()
    await consumer.consume('python', 1, handle)
    world.channel.publish(world.names.work, world.names.executions('python'), Buffer.from(text), { persistent: true })
    const good = envelope()
    await publisher.schedule(good)
    await until(() => deliveries.length === 1)
    expect(deliveries[0]?.envelope.id).toBe(good.id)
    await until(async () => (await world.depth(world.names.deadLetters)) === 1)
  })

  it('is logged and ends among the dead letters, without a word of its content', async () => {
    await using world = await open()
    await world.publisher()
    world.channel.sendToQueue(world.names.deadLetters, Buffer.from('secret program'))
    const good = envelope()
    world.channel.sendToQueue(world.names.deadLetters, Buffer.from(JSON.stringify(good)))
    const { deliveries, handle } = answering()
    await (await world.consumer()).consumeDeadLetters(handle)
    await until(() => deliveries.length === 1)
    expect(deliveries[0]?.envelope.id).toBe(good.id)
    expect(world.log.of('error')).toEqual(['A message is not an execution'])
    expect(JSON.stringify(world.log.lines)).not.toContain('secret')
    await until(async () => (await world.depth(world.names.deadLetters)) === 0)
  })
})

async function firstError(attempt: () => Promise<unknown>, attempts: number): Promise<unknown> {
  for (let left = attempts; left > 0; left--) {
    try {
      await attempt()
    } catch (error: unknown) {
      return error
    }
  }
  return undefined
}
