/** Labels of a shared Job that say which executions run in it right now, for those who look: written together, once a second, and no harm when one is lost. */
import { toError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Clock } from '../core/time.ts'
import type { HeldJob } from './held-job.ts'
import type { Jobs } from './jobs.ts'
import { executionLabel } from './record.ts'

export interface RunningMarksOptions {
  job: HeldJob
  /** Of its namespace. */
  jobs: Jobs
  clock: Clock
  log: Log
}

/**
 * From a mark to its write: what ends meanwhile needs none. Each patch sends the whole Job to everybody who watches, and on a busy machine every execution runs long
 * enough for a mark: with one patch for each these were a third of what the API server did.
 */
const DELAY_MS = 1_000

export class RunningMarks {
  readonly #options: RunningMarksOptions
  /** What is to be written. */
  readonly #changes = new Map<string, 'running' | null>()
  readonly #written = new Set<string>()
  #writing = false

  constructor(options: RunningMarksOptions) {
    this.#options = options
  }

  /** A second later the Job says that it runs, if it still does then. */
  set(id: string): void {
    this.#changes.set(id, 'running')
    void this.#writeAll()
  }

  /**
   * It runs no more; safe to call again. To be called before the next write on the Job begins, or a late mark would stand where its record says how it ended.
   * @param replaced its record's label is in the place of the mark
   */
  clear(id: string, replaced: boolean): void {
    if (this.#changes.get(id) === 'running') this.#changes.delete(id)
    if (!this.#written.delete(id) || replaced) return
    this.#changes.set(id, null)
    void this.#writeAll()
  }

  async #writeAll(): Promise<void> {
    if (this.#writing) return
    this.#writing = true
    const { job, clock, log } = this.#options
    while (this.#changes.size > 0) {
      await clock.sleep(DELAY_MS)
      await job
        .inOrder(() => this.#write())
        .catch((thrown: unknown) =>
          log.debug({ job: job.name, error: toError(thrown).message }, 'a Job does not say what runs in it'),
        )
    }
    this.#writing = false
  }

  async #write(): Promise<void> {
    const { job, jobs } = this.#options
    if (this.#changes.size === 0) return
    const labels: Record<string, string | null> = {}
    for (const [id, change] of this.#changes) {
      labels[executionLabel(id)] = change
      if (change !== null) this.#written.add(id)
    }
    this.#changes.clear()
    await jobs.patch(job.name, { metadata: { labels } })
  }
}
