import { programDigest } from '../core/digest.ts'
import { AppError, toError } from '../core/errors.ts'
import { type Envelope, type ExecutionRecord, emptyResult } from '../core/execution.ts'
import type { Delivery, DeliveryHandler } from '../core/ports.ts'
import { isAwaited, type Patience, replyError } from './caller.ts'
import { keepRecord, type RecordDependencies } from './keep-record.ts'

export interface DeadLetterDependencies extends RecordDependencies {
  settings: Patience
}

/**
 * Takes executions that were given up and makes sure that each has an end, so that a check never says `queued` for ever:
 *
 * - A caller who still waits hears that there was no capacity.
 * - A run whose caller no longer waits may have been answered with 202 while it ran in a sandbox, or with a runner, that was lost. The queue of runs does not
 *   keep it any longer than its caller waits: it goes on as a scheduled execution.
 * - For a scheduled execution `lost` is recorded.
 *
 * Unless it did end after all.
 */
export function createDeadLetterHandler(dependencies: DeadLetterDependencies): DeliveryHandler {
  const { metrics, log } = dependencies
  return async (delivery) => {
    const { id, program } = delivery.envelope
    const end = await bringToEnd(delivery, dependencies).catch((thrown: unknown): End => {
      log.error({ id, error: toError(thrown) }, 'The end of an execution that was given up could not be recorded')
      return 'failed'
    })
    metrics.add('runlet_dead_letters_total', { language: program.language, end })
    return end === 'failed' ? 'requeue' : 'ack'
  }
}

/** See the metric runlet_dead_letters_total. */
type End = 'answered' | 'known' | 'rescheduled' | 'recorded' | 'failed'

async function bringToEnd(delivery: Delivery, dependencies: DeadLetterDependencies): Promise<End> {
  const { recorder, clock, metrics, log, settings } = dependencies
  const { envelope, reschedule } = delivery
  const { id, program } = envelope
  const { language } = program
  if (isAwaited(delivery, clock.now(), settings)) {
    replyError(delivery, new AppError('no_capacity'))
    return 'answered'
  }
  if (await recorder.takeOver(id)) return 'known'
  if (reschedule !== undefined) {
    const taken = await reschedule()
    log[taken ? 'info' : 'warn']({ id, language, taken }, 'A run that was given up goes on as a scheduled execution')
    return taken ? 'rescheduled' : 'failed'
  }
  if (!(await keepRecord(lostRecord(envelope, clock.now()), undefined, dependencies))) return 'failed'
  log.warn({ id, language }, 'An execution was given up and recorded as lost')
  metrics.add('runlet_executions_total', { language, status: 'lost', path: 'none' })
  return 'recorded'
}

function lostRecord(envelope: Envelope, now: number): ExecutionRecord {
  const { id, acceptedAt, program } = envelope
  return {
    version: 1,
    id,
    language: program.language,
    languageVersion: null,
    acceptedAt,
    startedAt: null,
    finishedAt: now,
    digest: programDigest(program),
    result: emptyResult('lost'),
  }
}
