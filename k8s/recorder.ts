import { AppError, toError } from '../core/errors.ts'
import type { ExecutionRecord } from '../core/execution.ts'
import type { Log } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Recorder, Sandbox } from '../core/ports.ts'
import { type Clock, systemClock } from '../core/time.ts'
import { type HeldJob, jobOf } from './held-job.ts'
import type { KubeHttp } from './http.ts'
import { buildRecordJob } from './job-spec.ts'
import { Jobs } from './jobs.ts'
import { isAlreadyExists, isNotFound, KubeError } from './kube-error.ts'
import { LABEL } from './labels.ts'
import { type MetadataPatch, recordPatch } from './record.ts'
import { retrying } from './retry.ts'
import type { RunnerKubernetesConfig } from './settings.ts'

export interface RecorderOptions {
  http: Pick<KubeHttp, 'call'>
  config: Pick<RunnerKubernetesConfig, 'NAMESPACE' | 'RETENTION_SECONDS' | 'RECORD_BYTES'>
  log: Log
  metrics?: Metrics
  clock?: Clock
  /** How long a write is tried again before the execution is given back to the queue. */
  budgetMs?: number
}

/** Within the time that a broker leaves a delivery unacknowledged by far, and long enough for an API server to be restarted. */
const BUDGET_MS = 30_000

/** Keeps records on the Jobs of their sandboxes, or on a Job of their own where there is no such Job. Record before destroying the sandbox: destroying deletes a Job without a record. */
export function createRecorder(options: RecorderOptions): Recorder {
  return new JobRecorder(options)
}

class JobRecorder implements Recorder {
  readonly #options: RecorderOptions
  readonly #clock: Clock
  readonly #jobs: Jobs

  constructor(options: RecorderOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#jobs = new Jobs(options.http, options.config.NAMESPACE)
  }

  async has(id: string): Promise<boolean> {
    return await this.#bounded(() => this.#jobs.exists(`${LABEL.executionId}=${id},${LABEL.state}=finished`))
  }

  async markRunning(id: string, sandbox: Sandbox): Promise<void> {
    const job = jobOf(sandbox)
    if (!job) return
    const labels = { [LABEL.state]: 'running', [LABEL.executionId]: id }
    try {
      await job.inOrder(async () => {
        if (!job.holdsRecord) await this.#jobs.patch(job.name, { metadata: { labels } })
      })
    } catch (error) {
      this.#options.log.debug(
        { id, job: job.name, error: toError(error).message },
        'an execution was not marked as running',
      )
    }
  }

  async record(record: ExecutionRecord, sandbox?: Sandbox): Promise<void> {
    const started = this.#clock.monotonic()
    const patch = recordPatch(record, this.#options.config.RECORD_BYTES)
    const job = sandbox && jobOf(sandbox)
    if (!(job && (await this.#onSandbox(job, patch)))) await this.#onItsOwn(record, patch)
    this.#options.metrics?.observe('runlet_record_seconds', {}, (this.#clock.monotonic() - started) / 1000)
  }

  /** Whether the Job took it: it may be gone, or be too full. */
  async #onSandbox(job: HeldJob, patch: MetadataPatch): Promise<boolean> {
    job.holdsRecord = true
    try {
      await job.inOrder(() => this.#bounded(() => this.#jobs.patch(job.name, patch)))
      return true
    } catch (error) {
      if (!(error instanceof KubeError)) throw error
      const fields = { job: job.name, error: error.message }
      if (!isNotFound(error)) this.#options.log.warn(fields, 'a Job did not take its record: it gets a Job of its own')
      return false
    }
  }

  /** Its name comes from the execution's id: that it is there already means that the execution is recorded. */
  async #onItsOwn(record: ExecutionRecord, { metadata }: MetadataPatch): Promise<void> {
    const { RETENTION_SECONDS } = this.#options.config
    const job = buildRecordJob(`record-${record.id}`, record.language, RETENTION_SECONDS)
    Object.assign(job.metadata ?? {}, { annotations: metadata.annotations })
    Object.assign(job.metadata?.labels ?? {}, metadata.labels)
    try {
      await this.#bounded(() => this.#jobs.create(job))
    } catch (error) {
      if (isAlreadyExists(error)) return
      if (error instanceof AppError) throw error
      throw new AppError('store_unavailable', undefined, { cause: error })
    }
  }

  async #bounded<Answer>(call: () => Promise<Answer>): Promise<Answer> {
    try {
      return await retrying(call, { clock: this.#clock, budgetMs: this.#options.budgetMs ?? BUDGET_MS })
    } catch (error) {
      if (error instanceof KubeError && !error.passing) throw error
      throw new AppError('store_unavailable', undefined, { cause: error })
    }
  }
}
