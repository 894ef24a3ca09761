import { describe, expect, it } from 'vitest'
import type { Consumer, DeliveryHandler, QueueDepth, QueueDepths } from '../core/ports.ts'
import { FakeClock, settled } from '../tests/fakes/clock.ts'
import { anEnvelope, executionId, MemoryLog } from '../tests/fakes/local.ts'
import { MemoryMetrics } from '../tests/fakes/metrics.ts'
import { FakeRecorder } from '../tests/fakes/recorder.ts'
import { resultFrame } from '../tests/fakes/sandbox.ts'
import { FakeSandboxProvider } from '../tests/fakes/sandbox-provider.ts'
import { startRunner } from './service.ts'

/** Says who consumes what, and when it was stopped. */
class FakeConsumer implements Consumer, QueueDepths {
  readonly capacities: Record<string, number> = {}
  readonly handlers: Record<string, DeliveryHandler> = {}
  stopped = 0

  async consume(language: string, capacity: number, handler: DeliveryHandler): Promise<void> {
    this.capacities[language] = capacity
    this.handlers[language] = handler
  }

  async consumeDeadLetters(handler: DeliveryHandler): Promise<void> {
    this.handlers.dead = handler
  }

  async depths(): Promise<QueueDepth[]> {
    return []
  }

  async stop(): Promise<void> {
    this.stopped++
  }

  deliver(queue: string, number: number, language = queue) {
    const handler = this.handlers[queue]
    if (!handler) throw new Error(`Nobody consumes ${queue}`)
    return handler({ envelope: anEnvelope(number, language), redelivered: false })
  }
}

async function arrange() {
  const clock = new FakeClock()
  const consumer = new FakeConsumer()
  const provider = new FakeSandboxProvider()
  const recorder = new FakeRecorder()
  provider.auto = () => {}
  const runner = await startRunner({
    consumer,
    provider,
    recorder,
    languages: { python: { warm: 1, max: 2 }, javascript: { warm: 1, max: 3, ahead: 6 } },
    metrics: new MemoryMetrics(),
    log: new MemoryLog(),
    clock,
    settings: { drainMs: 10_000 },
  })
  await settled()
  return { clock, consumer, provider, recorder, runner }
}

describe('startRunner', () => {
  it('takes as many of each language as may live, and those that only wait for their record, and the dead letters', async () => {
    const { consumer, runner, provider } = await arrange()
    expect(consumer.capacities).toEqual({ python: 2, javascript: 6 })
    expect(Object.keys(consumer.handlers)).toEqual(['python', 'javascript', 'dead'])
    expect(provider.starts.map((start) => start.language)).toEqual(['python', 'javascript'])
    expect(runner.capacity('javascript')).toMatchObject({ warm: 1, max: 3, idle: 1 })
    expect(() => runner.capacity('cobol')).toThrow('cobol')
  })

  it('runs what is delivered, each language in its own sandboxes', async () => {
    const { consumer, provider, recorder } = await arrange()
    const verdicts = [consumer.deliver('python', 1), consumer.deliver('javascript', 2)]
    await settled()
    for (const [index, sandbox] of provider.sandboxes.entries()) sandbox.say(resultFrame(executionId(index + 1)))
    expect(await Promise.all(verdicts)).toEqual(['ack', 'ack'])
    expect(recorder.sandboxes).toEqual(['python-1', 'javascript-2'])
  })

  it('takes more of a language while many of it wait for nothing but their record', async () => {
    const { consumer, provider, recorder } = await arrange()
    const written = Promise.withResolvers<void>()
    recorder.busy = written.promise
    const verdicts: Promise<unknown>[] = []
    for (let number = 1; number <= 3; number++) {
      verdicts.push(consumer.deliver('javascript', number))
      await settled()
      const own = provider.sandboxes.filter(({ language }) => language === 'javascript')
      own[number - 1]?.say(resultFrame(executionId(number)))
      await settled()
    }
    expect(consumer.capacities).toEqual({ python: 2, javascript: 9 })
    written.resolve()
    expect(await Promise.all(verdicts)).toEqual(['ack', 'ack', 'ack'])
  })

  it('records what was given up', async () => {
    const { consumer, recorder } = await arrange()
    expect(await consumer.deliver('dead', 1, 'python')).toBe('ack')
    expect(recorder.records.get(executionId(1))?.result.status).toBe('lost')
  })
})

describe('draining a runner', () => {
  it('takes nothing more, lets executions end and be recorded, and ends all sandboxes', async () => {
    const { clock, consumer, provider, recorder, runner } = await arrange()
    const verdict = consumer.deliver('python', 1)
    await settled()
    let drained = false
    const draining = runner[Symbol.asyncDispose]().then(() => {
      drained = true
    })
    await clock.advance(9_000)
    const [python, javascript] = provider.sandboxes
    expect([consumer.stopped, drained, python?.destroyed, javascript?.destroyed]).toEqual([1, false, 0, 1])
    python?.say(resultFrame(executionId(1)))
    expect(await verdict).toBe('ack')
    await draining
    expect([recorder.records.size, python?.destroyed]).toEqual([1, 1])
    expect(clock.sleeping).toBe(0)
  })

  it('gives those back at once who wait for their turn', async () => {
    const { consumer, provider, runner } = await arrange()
    const working = [consumer.deliver('python', 1), consumer.deliver('python', 2)]
    const waiting = consumer.deliver('python', 3)
    await settled()
    const draining = runner[Symbol.asyncDispose]()
    expect(await waiting).toBe('requeue')
    for (const [index, sandbox] of provider.sandboxes.filter(({ language }) => language === 'python').entries())
      sandbox.say(resultFrame(executionId(index + 1)))
    expect(await Promise.all(working)).toEqual(['ack', 'ack'])
    await draining
  })

  it('gives back what still runs when the drain time is over', async () => {
    const { clock, consumer, provider, runner } = await arrange()
    const verdict = consumer.deliver('python', 1)
    await settled()
    const draining = runner[Symbol.asyncDispose]()
    await clock.advance(10_000)
    expect(provider.sandboxes[0]?.destroyed).toBe(1)
    await clock.advance(1_000)
    expect(await verdict).toBe('requeue')
    await draining
    expect(clock.sleeping).toBe(0)
  })

  it('is done once, however often it is asked for', async () => {
    const { consumer, runner } = await arrange()
    await Promise.all([runner[Symbol.asyncDispose](), runner[Symbol.asyncDispose]()])
    expect(consumer.stopped).toBe(1)
  })
})
