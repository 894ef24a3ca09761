import { toAppError } from '../core/errors.ts'
import type { Envelope } from '../core/execution.ts'
import type { Consumer, DeliveryHandler, Publisher, QueueDepths } from '../core/ports.ts'
import type { Facts, Span, Tracer } from '../core/trace.ts'

/** A publisher whose messages carry on the trace of the request that they come from. */
export function tracePublisher(publisher: Publisher, tracer: Tracer): Publisher {
  const traced = async <Answer>(
    verb: 'schedule' | 'run',
    envelope: Envelope,
    send: (envelope: Envelope) => Promise<Answer>,
  ) => {
    const request = tracer.current()
    const facts = factsOf(envelope)
    request?.note(facts)
    const kind = verb === 'run' ? 'client' : 'producer'
    const start = { kind, parent: request?.traceparent, facts } as const
    const span = tracer.begin(`${verb} ${envelope.program.language}`, start)
    return await ending(span, () => send({ ...envelope, traceparent: span.traceparent }))
  }
  return {
    schedule: (envelope, maxOutstanding) =>
      traced('schedule', envelope, (sent) => publisher.schedule(sent, maxOutstanding)),
    run: (envelope, waitMs) => traced('run', envelope, (sent) => publisher.run(sent, waitMs)),
    mayStillRun: (id) => publisher.mayStillRun(id),
  }
}

/** A consumer whose deliveries are spans of the trace that their message carries, and let their handler add to it. */
export function traceConsumer(consumer: Consumer & QueueDepths, tracer: Tracer): Consumer & QueueDepths {
  const traced =
    (verb: string, handler: DeliveryHandler): DeliveryHandler =>
    async (delivery) => {
      const { envelope, redelivered } = delivery
      const facts = { ...factsOf(envelope), 'runlet.redelivered': redelivered }
      const start = { kind: 'consumer', parent: envelope.traceparent, facts } as const
      const span = tracer.begin(`${verb} ${envelope.program.language}`, start)
      return await ending(span, async () => {
        const verdict = await handler({ ...delivery, trace: span })
        span.note({ 'runlet.verdict': verdict })
        return verdict
      })
    }
  return {
    consume: (language, capacity, handler) => consumer.consume(language, capacity, traced('execute', handler)),
    consumeDeadLetters: (handler) => consumer.consumeDeadLetters(traced('give up', handler)),
    stop: () => consumer.stop(),
    depths: (languages) => consumer.depths(languages),
  }
}

function factsOf({ id, program }: Envelope): Facts {
  return { 'runlet.execution.id': id, 'runlet.language': program.language }
}

async function ending<Answer>(span: Span, work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work()
  } catch (thrown) {
    span.fail(toAppError(thrown).code)
    throw thrown
  } finally {
    span.end()
  }
}
