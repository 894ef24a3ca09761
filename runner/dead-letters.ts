import { programDigest } from '../core/digest.ts'
import { AppError, toError } from '../core/errors.ts'
import { type Envelope, type ExecutionRecord, emptyResult } from '../core/execution.ts'
import type { DeliveryHandler } from '../core/ports.ts'
import { isAwaited, type Patience, replyError } from './caller.ts'
import { keepRecord, type RecordDependencies } from './keep-record.ts'

export interface DeadLetterDependencies extends RecordDependencies {
  settings: Patience
}

/**
 * Takes executions that were given up and makes sure that each has an end: a caller who still waits hears that there was no capacity; for everybody else
 * `lost` is recorded, unless it did end after all. So a check never says `queued` for ever.
 */
export function createDeadLetterHandler(dependencies: DeadLetterDependencies): DeliveryHandler {
  const { recorder, clock, metrics, log, settings } = dependencies
  return async (delivery) => {
    const { id, program } = delivery.envelope
    const { language } = program
    const count = (end: 'answered' | 'known' | 'recorded' | 'failed') =>
      metrics.add('runlet_dead_letters_total', { language, end })
    try {
      if (isAwaited(delivery, clock.now(), settings)) {
        replyError(delivery, new AppError('no_capacity'))
        count('answered')
        return 'ack'
      }
      if (await recorder.takeOver(id)) {
        count('known')
        return 'ack'
      }
      // By a clock that is wrong nobody seems to wait. Who does hears it; to anybody else nothing is said.
      replyError(delivery, new AppError('no_capacity'))
      if (await keepRecord(lostRecord(delivery.envelope, clock.now()), undefined, dependencies)) {
        log.warn({ id, language }, 'An execution was given up and recorded as lost')
        metrics.add('runlet_executions_total', { language, status: 'lost', path: 'none' })
        count('recorded')
        return 'ack'
      }
    } catch (thrown) {
      log.error({ id, error: toError(thrown) }, 'The end of an execution that was given up could not be recorded')
    }
    count('failed')
    return 'requeue'
  }
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
