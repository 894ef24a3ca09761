import { toAppError, toError } from '../core/errors.ts'
import type { ExecutionRecord } from '../core/execution.ts'
import type { Log } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Recorder, RecordOptions, Sandbox } from '../core/ports.ts'
import { type Clock, NOT_NEEDED } from '../core/time.ts'

export interface RecordDependencies {
  recorder: Recorder
  clock: Clock
  metrics: Metrics
  log: Log
  /** Pauses between the attempts, in milliseconds; there is one attempt more than pauses. */
  recordRetryMs: readonly number[]
}

/** The recorder has tried for a while by itself before it says that the store is away. */
const STORE_AWAY_MS = 1_000

export interface KeepOptions extends RecordOptions {
  /** Asked when the last pause is used up: while it says so, that pause is made again and again. */
  insists?: () => boolean
}

/** Writes a record, again and again for a while. False when it could not be written. Never throws. */
export async function keepRecord(
  record: ExecutionRecord,
  sandbox: Sandbox | undefined,
  { recorder, clock, metrics, log, recordRetryMs }: RecordDependencies,
  { insists = () => false, ...options }: KeepOptions = {},
): Promise<boolean> {
  const started = clock.monotonic()
  for (let attempt = 0; attempt <= recordRetryMs.length || insists(); attempt++) {
    try {
      await recorder.record(record, sandbox, options)
      const seconds = (clock.monotonic() - started) / 1000
      metrics.observe('runlet_record_seconds', {}, seconds)
      log.debug({ id: record.id, sandbox: sandbox?.name, seconds }, 'A record was written')
      return true
    } catch (thrown) {
      metrics.add('runlet_record_failures_total', {})
      log.warn({ id: record.id, attempt, error: toError(thrown) }, 'A record could not be written')
      const pause = recordRetryMs[attempt] ?? (insists() ? recordRetryMs.at(-1) : undefined)
      if (pause !== undefined) await clock.sleep(pause)
    }
  }
  log.error({ id: record.id }, 'A record could not be written and is given up')
  return false
}

/**
 * Whether an earlier attempt has recorded its end; see Recorder. Asks again and again while `insists` says so.
 * @throws AppError store_unavailable
 */
export async function takeOver(
  id: string,
  { recorder, clock, log }: RecordDependencies,
  insists: () => boolean,
): Promise<boolean> {
  for (;;) {
    try {
      return await recorder.takeOver(id)
    } catch (thrown) {
      const { code } = toAppError(thrown)
      if (code !== 'store_unavailable' || !insists()) throw thrown
      log.warn({ id, code }, 'An execution waits until it can be said whether it has ended')
      await clock.sleep(STORE_AWAY_MS)
    }
  }
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
