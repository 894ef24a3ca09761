import { describe, expect, inject, it } from 'vitest'
import { BrokerConfig } from '../../broker/config.ts'
import { connectConsumer } from '../../broker/consumer.ts'
import { connectPublisher } from '../../broker/publisher.ts'
import { answering, BrokerWorld, envelope, LogLines, until } from '../helpers/broker-world.ts'
import { startHalfOpenProxy } from '../helpers/half-open-proxy.ts'
import { startRabbitmq } from '../helpers/rabbitmq-server.ts'

/** A world whose publisher or consumer can be cut off. */
async function openThroughProxy() {
  const url = new URL(inject('amqpUrl'))
  const scope = new AsyncDisposableStack()
  const proxy = scope.use(await startHalfOpenProxy(Number(url.port), url.hostname))
  const world = scope.use(await BrokerWorld.open(url.href))
  url.host = `127.0.0.1:${proxy.port}`
  return {
    proxy,
    world,
    throughProxy: { AMQP_URL: url.href },
    [Symbol.asyncDispose]: async () => {
      proxy.pass()
      await scope.disposeAsync()
    },
  }
}

/** RabbitMQ 3.10 writes the term of a new quorum queue to disk within a second or two; killed before, that queue never has a leader again. */
const termWritten = () => new Promise((resolve) => setTimeout(resolve, 4_000))

const codeOf = (error: unknown) => (error as { code?: unknown }).code

describe('a broken connection', () => {
  it('of the publisher comes back by itself, for both kinds', async () => {
    await using broken = await openThroughProxy()
    const { proxy, world, throughProxy } = broken
    const publisher = await world.publisher(throughProxy)
    const { deliveries, handle } = answering()
    await (await world.consumer()).consume('python', 4, handle)
    proxy.reset()
    await until(() => !publisher.connected)
    await publisher.schedule(envelope('scheduled'))
    expect((await publisher.run(envelope('run'), 10_000))?.result.stdout).toBe('run')
    expect(deliveries.map((delivery) => delivery.envelope.program.code).sort()).toEqual(['run', 'scheduled'])
  })

  it('of the consumer comes back by itself, with its capacity, and drops what it can no longer acknowledge', async () => {
    await using broken = await openThroughProxy()
    const { proxy, world, throughProxy } = broken
    const publisher = await world.publisher()
    const consumer = await world.consumer(throughProxy)
    const finish = Promise.withResolvers<void>()
    const started: string[] = []
    await consumer.consume('python', 2, async ({ envelope: { program } }) => {
      started.push(program.code)
      if (program.code === 'long') await finish.promise
      return 'ack'
    })
    await publisher.schedule(envelope('long'))
    await until(() => started.length === 1)
    proxy.reset()
    await until(() => !consumer.connected)
    await until(() => consumer.connected)
    await publisher.schedule(envelope('next'))
    await until(() => started.includes('next'))
    finish.resolve()
    // It was handed out again while it still ran here: waited for, not run twice, and acknowledged in the end.
    await until(async () => (await world.depth(world.names.executions('python'))) === 0)
    await consumer[Symbol.asyncDispose]()
    expect(await world.depth(world.names.executions('python'))).toBe(0)
    expect(started).toEqual(['long', 'next'])
  })

  it('ends the runs that wait on it at once', async () => {
    await using broken = await openThroughProxy()
    const { proxy, world, throughProxy } = broken
    const publisher = await world.publisher(throughProxy)
    const waiting = publisher.run(envelope(), 50_000).catch(codeOf)
    await until(async () => (await world.depth(world.names.runs('python'))) === 1)
    proxy.reset()
    expect(await waiting).toBe('queue_unavailable')
  })

  it('before the confirm repeats the execution once, with a mark', async () => {
    await using broken = await openThroughProxy()
    const { proxy, world, throughProxy } = broken
    const publisher = await world.publisher(throughProxy)
    proxy.stall('answers')
    const sent = envelope()
    const scheduled = publisher.schedule(sent)
    await until(async () => (await world.depth(world.names.executions('python'))) === 1)
    proxy.reset()
    proxy.pass()
    await scheduled
    const { deliveries, handle } = answering()
    await (await world.consumer()).consume('python', 1, handle)
    await until(() => deliveries.length === 2)
    expect(deliveries.map(({ envelope: { id }, redelivered }) => ({ id, redelivered }))).toEqual([
      { id: sent.id, redelivered: false },
      { id: sent.id, redelivered: true },
    ])
  })

  it('that is only slow is no fault', async () => {
    await using broken = await openThroughProxy()
    const { proxy, world, throughProxy } = broken
    const publisher = await world.publisher(throughProxy)
    await (await world.consumer()).consume('python', 4, answering().handle)
    proxy.delay(200)
    await publisher.schedule(envelope())
    expect((await publisher.run(envelope('slow wire'), 20_000))?.result.stdout).toBe('slow wire')
  })
})

describe('a connection that nobody answers on', () => {
  it('ends scheduling and running with queue_unavailable within 2 s, and works again when it does', async () => {
    await using broken = await openThroughProxy()
    const { proxy, world, throughProxy } = broken
    const publisher = await world.publisher(throughProxy)
    await publisher.schedule(envelope())
    proxy.stall()
    const tooLate = new Promise((resolve) => setTimeout(resolve, 2_000, 'nothing within 2 s'))
    const attempts = [publisher.schedule(envelope()), publisher.run(envelope(), 60_000)].map((attempt) =>
      Promise.race([attempt.catch(codeOf), tooLate]),
    )
    expect(await Promise.all(attempts)).toEqual(['queue_unavailable', 'queue_unavailable'])
    // The queue is known to be silent now: nobody waits for it again, and nothing piles up in memory.
    expect(await publisher.schedule(envelope()).catch(codeOf)).toBe('queue_unavailable')
    proxy.pass()
    await until(() =>
      publisher.schedule(envelope()).then(
        () => true,
        () => false,
      ),
    )
  })

  it('is closed without waiting for its goodbye', async () => {
    await using broken = await openThroughProxy()
    const { proxy, world, throughProxy } = broken
    const publisher = await world.publisher(throughProxy)
    const consumer = await world.consumer(throughProxy)
    await consumer.consume('python', 1, answering().handle)
    expect(proxy.connections).toBe(3)
    proxy.stall()
    await Promise.all([publisher[Symbol.asyncDispose](), consumer[Symbol.asyncDispose]()])
    proxy.pass()
    await until(() => proxy.connections === 0)
  })
})

describe('a broker that is away', () => {
  it('is waited for at the start, and found again after it was killed; nothing confirmed is lost', async () => {
    await using server = await startRabbitmq()
    await server.kill()
    const log = new LogLines()
    const settings = BrokerConfig.parse({ AMQP_URL: server.url })
    await using publisher = await connectPublisher({ settings, languages: ['python'], log })
    await using consumer = await connectConsumer({ settings, log })
    const { deliveries, handle } = answering()
    await consumer.consume('python', 2, handle)
    await consumer.consumeDeadLetters(handle)
    expect([publisher.connected, consumer.connected]).toEqual([false, false])
    expect(await publisher.schedule(envelope()).catch(codeOf)).toBe('queue_unavailable')
    expect(await publisher.run(envelope(), 30_000).catch(codeOf)).toBe('queue_unavailable')

    await server.start()
    await until(() => publisher.connected && consumer.connected)
    expect((await publisher.run(envelope('first'), 10_000))?.result.stdout).toBe('first')

    await consumer.consume('python', 0, handle)
    const confirmed = Array.from({ length: 20 }, (_, index) => envelope(`survivor ${index}`))
    await Promise.all(confirmed.map((sent) => publisher.schedule(sent)))
    await termWritten()
    await server.kill()
    await until(() => !publisher.connected && !consumer.connected)
    await server.start()
    await consumer.consume('python', 2, handle)
    await until(() => deliveries.length === 21)
    const seen = deliveries.map((delivery) => delivery.envelope.id)
    expect(confirmed.filter(({ id }) => !seen.includes(id))).toEqual([])
    await until(() => publisher.connected)
    expect((await publisher.run(envelope('last'), 10_000))?.result.stdout).toBe('last')
  }, 120_000)

  it('and takes the runner with it loses no run that was answered with 202', async () => {
    await using server = await startRabbitmq()
    const log = new LogLines()
    const settings = BrokerConfig.parse({ AMQP_URL: server.url, RUN_ADOPTED_MARGIN_MS: '6000' })
    await using publisher = await connectPublisher({ settings, languages: ['python'], log })
    await until(() => publisher.connected)
    const taken: string[] = []
    {
      await using consumer = await connectConsumer({ settings, log })
      await consumer.consume('python', 1, ({ envelope: { program } }) => {
        taken.push(program.code)
        return new Promise(() => undefined)
      })
      const sent = envelope('outlasts the wait')
      sent.program.limits.wallTimeMs = 1_000
      expect(await publisher.run(sent, 500)).toBeUndefined()
      expect(taken).toEqual(['outlasts the wait'])
      await termWritten()
      await server.kill()
    }
    await server.start()
    await using consumer = await connectConsumer({ settings, log })
    const scheduled = answering()
    await consumer.consume('python', 1, scheduled.handle)
    await consumer.consumeDeadLetters(async ({ reschedule }) => ((await reschedule?.()) ? 'ack' : 'requeue'))
    await until(() => scheduled.deliveries.length === 1)
    expect(scheduled.deliveries).toMatchObject([{ envelope: { program: { code: taken[0] } }, redelivered: true }])
    expect(scheduled.deliveries[0]?.reply).toBeUndefined()
  }, 120_000)
})
