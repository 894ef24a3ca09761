import { AppError, toError } from '../core/errors.ts'
import type { ExecutionRecord } from '../core/execution.ts'
import type { Log } from '../core/log.ts'
import type { Recorder, RecordOptions, Sandbox } from '../core/ports.ts'
import { type Clock, systemClock } from '../core/time.ts'
import { type HeldJob, jobOf } from './held-job.ts'
import type { KubeHttp } from './http.ts'
import { buildRecordJob } from './job-spec.ts'
import { type JobMetadata, Jobs } from './jobs.ts'
import { isAlreadyExists, isNotFound, KubeError } from './kube-error.ts'
import { LABEL } from './labels.ts'
import { executionLabel, type MetadataPatch, recordPatch, recordTexts } from './record.ts'
import { RecordGroup } from './record-group.ts'
import { retrying } from './retry.ts'
import type { RunnerKubernetesConfig } from './settings.ts'

export interface RecorderOptions {
  http: Pick<KubeHttp, 'call'>
  config: Pick<RunnerKubernetesConfig, 'NAMESPACE' | 'NESTED_NAMESPACE' | 'RETENTION_SECONDS' | 'RECORD_BYTES'>
  log: Log
  clock?: Clock
  /** How long a write is tried again before the execution is given back to the queue. */
  budgetMs?: number
}

/** Within the time that a broker leaves a delivery unacknowledged by far, and long enough for an API server to be restarted. */
const BUDGET_MS = 30_000

/**
 * An execution that is not marked as running is recorded on its Job only when it began no longer ago: a broker that hears nothing waits longer than that (a
 * heartbeat of 10 s) before it gives the execution to somebody else, who could not see this attempt.
 */
const UNSEEN_MS = 5_000

/** Keeps records on the Jobs of their sandboxes, or on a Job of their own where there is no such Job. Record before destroying the sandbox: destroying deletes a Job without a record. */
export function createRecorder(options: RecorderOptions): Recorder {
  return new JobRecorder(options)
}

class JobRecorder implements Recorder {
  readonly #options: RecorderOptions
  readonly #clock: Clock
  readonly #jobs: Jobs
  /** Which execution a Job was marked with as running, where others see it. */
  readonly #marked = new WeakMap<HeldJob, string>()
  /** Of the namespace in which executions share Jobs. */
  readonly #shared: Jobs | undefined
  readonly #groups = new WeakMap<HeldJob, RecordGroup>()

  constructor(options: RecorderOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    const { NAMESPACE, NESTED_NAMESPACE } = options.config
    this.#jobs = new Jobs(options.http, NAMESPACE)
    if (NESTED_NAMESPACE !== undefined) this.#shared = new Jobs(options.http, NESTED_NAMESPACE)
  }

  /** What ends an earlier attempt is that its Job is deleted, as it was when it was seen to have no record: so a record that is written meanwhile is found, not lost. */
  async takeOver(id: string): Promise<boolean> {
    return await this.#bounded(async () => {
      if (await this.#isInGroup(id)) return true
      for (;;) {
        const attempts: JobMetadata['metadata'][] = []
        for await (const { metadata } of this.#jobs.list(`${LABEL.executionId}=${id}`)) {
          if (recordTexts(metadata).some(([recorded]) => recorded === id)) return true
          attempts.push(metadata)
        }
        const ended = await Promise.all(attempts.map((attempt) => this.#end(attempt)))
        if (ended.every(Boolean)) return false
      }
    })
  }

  async markRunning(id: string, sandbox: Sandbox): Promise<void> {
    const job = jobOf(sandbox)
    if (!job) return
    const group = this.#groupOf(job)
    if (group) return group.mark(id)
    const labels = { [LABEL.state]: 'running', [LABEL.executionId]: id }
    try {
      await job.inOrder(async () => {
        if (job.holdsRecord) return
        await this.#jobs.patch(job.name, { metadata: { labels } })
        this.#marked.set(job, id)
        job.tell({ reason: 'Running', message: `It runs the execution ${id}` })
      })
    } catch (error) {
      this.#options.log.debug(
        { id, job: job.name, error: toError(error).message },
        'an execution was not marked as running',
      )
    }
  }

  async record(record: ExecutionRecord, sandbox?: Sandbox, options: RecordOptions = {}): Promise<void> {
    const patch = recordPatch(record, this.#options.config.RECORD_BYTES)
    const job = sandbox && jobOf(sandbox)
    if (!(job && (await this.#onSandbox(job, record, patch, options)))) await this.#onItsOwn(record, patch, job)
  }

  /** Whether the Job took it: it may be gone, or be too full, or another attempt may have been given the execution by now. */
  async #onSandbox(
    job: HeldJob,
    record: ExecutionRecord,
    patch: MetadataPatch,
    { isHeld = () => true, unhurried }: RecordOptions,
  ): Promise<boolean> {
    const group = this.#groupOf(job)
    // An earlier attempt that shares its Job can't be ended by deleting that: so it is recorded there only while there can be no other.
    if (group) return await group.add(record, { mayWrite: () => isHeld() && this.#isYoung(record), unhurried })
    job.holdsRecord = true
    const write = async () => {
      if (!isHeld() || !this.#isSeen(job, record)) return false
      await this.#jobs.patch(job.name, patch)
      return true
    }
    // Known to hold none: then whoever destroys the sandbox, which comes next in order, deletes it.
    const settle = async () => {
      try {
        job.holdsRecord = await this.#bounded(write)
      } catch (error) {
        if (error instanceof KubeError) job.holdsRecord = false
        throw error
      }
      return job.holdsRecord
    }
    try {
      const kept = await job.inOrder(settle)
      if (kept) job.tell({ reason: 'Finished', message: describeEnd(record) })
      return kept
    } catch (error) {
      if (!(error instanceof KubeError)) throw error
      const fields = { job: job.name, error: error.message }
      if (!isNotFound(error)) this.#options.log.warn(fields, 'a Job did not take its record: it gets a Job of its own')
      return false
    }
  }

  /** Another attempt would find this one, or can not have begun yet. */
  #isSeen(job: HeldJob, record: ExecutionRecord): boolean {
    return this.#marked.get(job) === record.id || this.#isYoung(record)
  }

  #isYoung({ startedAt }: ExecutionRecord): boolean {
    return this.#clock.now() - (startedAt ?? 0) < UNSEEN_MS
  }

  async #isInGroup(id: string): Promise<boolean> {
    if (!this.#shared) return false
    for await (const { metadata } of this.#shared.list(executionLabel(id))) {
      if (recordTexts(metadata).some(([recorded]) => recorded === id)) return true
    }
    return false
  }

  /** Where the records of a Job that several executions share are written together. */
  #groupOf(job: HeldJob): RecordGroup | undefined {
    const { config, log, budgetMs = BUDGET_MS } = this.#options
    if (!job.shared || !this.#shared) return undefined
    const known = this.#groups.get(job)
    if (known) return known
    const { RETENTION_SECONDS: retentionSeconds, RECORD_BYTES: recordBytes } = config
    const group = new RecordGroup({
      job,
      jobs: this.#shared,
      retentionSeconds,
      recordBytes,
      budgetMs,
      clock: this.#clock,
      log,
    })
    this.#groups.set(job, group)
    return group
  }

  /** False when the Job has changed since it was seen. */
  async #end({ name, uid, resourceVersion }: JobMetadata['metadata']): Promise<boolean> {
    try {
      await this.#jobs.delete(name, uid, resourceVersion)
      return true
    } catch (error) {
      if (error instanceof KubeError && error.status === 409) return false
      throw error
    }
  }

  /** Its name comes from the execution's id: that it is there already means that the execution is recorded. */
  async #onItsOwn(record: ExecutionRecord, { metadata }: MetadataPatch, ranOn?: HeldJob): Promise<void> {
    const { RETENTION_SECONDS } = this.#options.config
    const labels = { ...metadata.labels }
    // So that the same recipe finds it as where it would have stood.
    if (ranOn?.shared)
      Object.assign(labels, { [LABEL.ranOn]: ranOn.name, [executionLabel(record.id)]: record.result.status })
    const name = `record-${record.id}`
    const job = buildRecordJob(name, record.language, RETENTION_SECONDS, { ...metadata, labels })
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

/** An execution's end in a sentence, with nothing of its program or output. */
function describeEnd({ id, result }: ExecutionRecord): string {
  const { status, exitCode, signal, wallTimeMs } = result
  const how = exitCode === null ? signal : `exit code ${exitCode}`
  return `The execution ${id} ended after ${wallTimeMs} ms: ${status}${how === null ? '' : `, ${how}`}`
}
