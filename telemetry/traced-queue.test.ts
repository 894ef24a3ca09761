import { describe, expect, it } from 'vitest'
import { AppError } from '../core/errors.ts'
import type { Consumer, DeliveryHandler, QueueDepths } from '../core/ports.ts'
import { anEnvelope, executionId } from '../tests/fakes/local.ts'
import { FakePublisher } from '../tests/fakes/publisher.ts'
import { MemoryTracer } from '../tests/fakes/tracer.ts'
import { traceConsumer, tracePublisher } from './traced-queue.ts'

const FACTS = { 'runlet.execution.id': executionId(1), 'runlet.language': 'python' }

describe('a traced publisher', () => {
  const arrange = () => {
    const [tracer, inner] = [new MemoryTracer(), new FakePublisher()]
    return { tracer, inner, publisher: tracePublisher(inner, tracer) }
  }

  it('sends a name for the span of its own, whose parent is the request', async () => {
    const { tracer, inner, publisher } = arrange()
    const request = tracer.begin('POST', { kind: 'server' })
    await tracer.within(request, () => publisher.schedule(anEnvelope(1)))
    await publisher.run(anEnvelope(1), 1_000)
    const [, schedule, run] = tracer.spans
    const parts = { parent: request.traceparent, kind: 'producer', facts: FACTS, ended: 1, failure: undefined }
    expect(schedule).toMatchObject({ name: 'schedule python', ...parts })
    expect(run).toMatchObject({ name: 'run python', kind: 'client', parent: undefined, ended: 1 })
    expect(inner.scheduled).toEqual([{ ...anEnvelope(1), traceparent: schedule?.traceparent }])
    expect(inner.ran).toEqual([{ envelope: { ...anEnvelope(1), traceparent: run?.traceparent }, waitMs: 1_000 }])
    expect(tracer.spans[0]?.facts).toEqual(FACTS)
  })

  it('says why it failed, and fails', async () => {
    const { tracer, inner, publisher } = arrange()
    inner.failure = new AppError('queue_full')
    await expect(publisher.schedule(anEnvelope(1))).rejects.toBe(inner.failure)
    expect(tracer.spans).toMatchObject([{ failure: 'queue_full', ended: 1 }])
  })

  it('asks what else it is asked, and traces nothing of it', async () => {
    const { tracer, inner, publisher } = arrange()
    inner.held.add('x')
    expect([await publisher.mayStillRun('x'), await publisher.mayStillRun('y')]).toEqual([true, false])
    await expect(publisher.schedule({ ...anEnvelope(1), caller: 'a' }, 0)).rejects.toMatchObject({
      code: 'too_many_outstanding',
    })
    expect(tracer.spans).toHaveLength(1)
  })
})

describe('a traced consumer', () => {
  const arrange = () => {
    const handlers = new Map<string, DeliveryHandler>()
    const inner: Consumer & QueueDepths = {
      consume: async (language, _capacity, handler) => void handlers.set(language, handler),
      consumeDeadLetters: async (handler) => void handlers.set('dead', handler),
      stop: async () => {},
      depths: async () => [],
    }
    const tracer = new MemoryTracer()
    return { tracer, handlers, consumer: traceConsumer(inner, tracer) }
  }
  const parent = `00-${'b'.repeat(32)}-${'c'.repeat(16)}-01`
  const delivery = { envelope: { ...anEnvelope(1), traceparent: parent }, redelivered: true }

  it('carries on the trace of the message, and lets the handler add to it', async () => {
    const { tracer, handlers, consumer } = arrange()
    await consumer.consume('python', 2, async ({ trace }) => {
      trace?.step('run in the sandbox', 1, 2)
      return 'ack'
    })
    expect(await handlers.get('python')?.(delivery)).toBe('ack')
    const facts = { ...FACTS, 'runlet.redelivered': true, 'runlet.verdict': 'ack' }
    const span = { name: 'execute python', kind: 'consumer', parent, facts, ended: 1, failure: undefined }
    expect(tracer.spans).toMatchObject([{ ...span, steps: ['run in the sandbox'] }])
  })

  it('says why a handler failed, and fails', async () => {
    const { tracer, handlers, consumer } = arrange()
    await consumer.consumeDeadLetters(() => Promise.reject(new AppError('store_unavailable')))
    await expect(handlers.get('dead')?.(delivery)).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(tracer.spans).toMatchObject([{ name: 'give up python', parent, failure: 'store_unavailable', ended: 1 }])
  })
})
