import { toError } from '../core/errors.ts'
import type { ExecutionRecord } from '../core/execution.ts'
import type { Log } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Recorder, Sandbox } from '../core/ports.ts'
import { type Clock, NOT_NEEDED } from '../core/time.ts'

export interface RecordDependencies {
  recorder: Recorder
  clock: Clock
  metrics: Metrics
  log: Log
  /** Pauses between the attempts, in milliseconds; there is one attempt more than pauses. */
  recordRetryMs: readonly number[]
}

/** Writes a record, again and again for a while. False when it could not be written. Never throws. */
export async function keepRecord(
  record: ExecutionRecord,
  sandbox: Sandbox | undefined,
  { recorder, clock, metrics, log, recordRetryMs }: RecordDependencies,
  isHeld?: () => boolean,
): Promise<boolean> {
  const started = clock.monotonic()
  for (let attempt = 0; attempt <= recordRetryMs.length; attempt++) {
    try {
      await recorder.record(record, sandbox, isHeld)
      const seconds = (clock.monotonic() - started) / 1000
      metrics.observe('runlet_record_seconds', {}, seconds)
      log.debug({ id: record.id, sandbox: sandbox?.name, seconds }, 'A record was written')
      return true
    } catch (thrown) {
      metrics.add('runlet_record_failures_total', {})
      log.warn({ id: record.id, attempt, error: toError(thrown) }, 'A record could not be written')
      const pause = recordRetryMs[attempt]
      if (pause !== undefined) await clock.sleep(pause)
    }
  }
  log.error({ id: record.id }, 'A record could not be written and is given up')
  return false
}

/**
 * Shows an execution as running once it has run for a while. The result stops that, and gives the write that is under way, if there is one:
 * it has to end first, or it would overwrite the record. Losing a mark is no harm.
 */
export function markRunningAfter(
  milliseconds: number,
  id: string,
  sandbox: Sandbox,
  { recorder, clock, log }: Pick<RecordDependencies, 'recorder' | 'clock' | 'log'>,
): () => Promise<void> | undefined {
  const over = new AbortController()
  let marking: Promise<void> | undefined
  const failed = (thrown: unknown) => log.debug({ id, error: toError(thrown) }, 'An execution is not shown as running')
  clock.sleep(milliseconds, over.signal).then(
    () => {
      if (!over.signal.aborted) marking = recorder.markRunning(id, sandbox).catch(failed)
    },
    () => {},
  )
  return () => {
    over.abort(NOT_NEEDED)
    return marking
  }
}
