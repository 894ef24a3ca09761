/**
 * Keeps the namespace of the sandboxes in bounds: records under a budget of bytes (the oldest go first), and no Jobs of runners that are gone. Any number of
 * runners may run it at once: each deletion names the very object that was seen, and one that is gone already is no failure.
 */
import { toError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import { type Clock, systemClock } from '../core/time.ts'
import type { KubeHttp } from './http.ts'
import { type JobMetadata, Jobs } from './jobs.ts'
import { KubeError } from './kube-error.ts'
import { LABEL, MANAGED_BY } from './labels.ts'
import { recordedBytes, recordTexts } from './record.ts'
import { deleteLease, leaseNames, RunnerLife } from './runner-lease.ts'
import type { RunnerKubernetesConfig } from './settings.ts'

export interface JanitorOptions {
  http: Pick<KubeHttp, 'call'>
  config: Pick<RunnerKubernetesConfig, 'NAMESPACE' | 'NESTED_NAMESPACE' | 'RECORDED_BYTES' | 'JANITOR_INTERVAL_MS'>
  log: Log
  metrics?: Metrics
  clock?: Clock
}

/** A finished Job as the budget sees it. */
export interface Recorded {
  name: string
  uid: string
  bytes: number
  /** Of its oldest record. An id begins with the time it was made, so ids sort by age. */
  executionId: string
}

type Seen = Recorded & { jobs: Jobs }

/** Room is made for a while, not for one record. */
const TARGET = 0.9

/** Which Jobs go so that the rest stays within the budget: the oldest, until 90 % of it is left. Pure. */
export function planRemoval<Job extends Recorded>(recorded: readonly Job[], budgetBytes: number): Job[] {
  let total = recorded.reduce((sum, job) => sum + job.bytes, 0)
  if (total <= budgetBytes) return []
  const oldestFirst = [...recorded].sort((a, b) => (a.executionId < b.executionId ? -1 : 1))
  return oldestFirst.filter((job) => {
    if (total <= budgetBytes * TARGET) return false
    total -= job.bytes
    return true
  })
}

/** Runs until it is disposed of. */
export class Janitor implements AsyncDisposable {
  readonly #options: JanitorOptions
  readonly #clock: Clock
  readonly #namespaces: readonly Namespace[]
  readonly #life: RunnerLife
  readonly #stop = new AbortController()
  readonly #done: Promise<void>

  constructor(options: JanitorOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#life = new RunnerLife(this.#clock)
    this.#namespaces = namespacesOf(options)
    this.#done = this.#run()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#done
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    const { log, config } = this.#options
    while (!signal.aborted) {
      // The jitter keeps several runners from doing the same work at the same moment.
      await this.#clock.sleep(config.JANITOR_INTERVAL_MS * (0.75 + Math.random() / 2), signal).catch(() => {})
      for (const step of [() => this.#keepBudget(), () => removeOrphans(this.#options, this.#life)]) {
        if (signal.aborted) return
        await step().catch((error: unknown) => {
          log.warn({ error: toError(error).message }, 'the janitor could not do its work: it tries again')
        })
      }
    }
  }

  async #keepBudget(): Promise<void> {
    const { config, metrics, log } = this.#options
    const recorded = await this.#recorded()
    const plan = planRemoval(recorded, config.RECORDED_BYTES)
    const total = recorded.reduce((sum, { bytes }) => sum + bytes, 0)
    let freed = 0
    for (const job of plan) {
      if (this.#stop.signal.aborted) break
      await deleteSeen(job.jobs, job.name, job.uid)
      freed += job.bytes
      metrics?.add('runlet_janitor_removed_total', {})
    }
    metrics?.set('runlet_recorded_bytes', {}, total - freed)
    if (plan.length === 0) return
    const fields = { removed: plan.length, freedBytes: freed, recordedBytes: total, budgetBytes: config.RECORDED_BYTES }
    log.warn(fields, 'records exceed their budget: the oldest were removed before their time')
  }

  async #recorded(): Promise<Seen[]> {
    const recorded: Seen[] = []
    for (const { jobs, recordLabel } of this.#namespaces) {
      for await (const { metadata } of jobs.list(`${recordLabel},${LABEL.state}=finished`)) {
        const { name, uid } = metadata
        const [executionId = ''] = recordTexts(metadata)
          .map(([id]) => id)
          .sort()
        recorded.push({ jobs, name, uid, bytes: recordedBytes(metadata), executionId })
      }
    }
    return recorded
  }
}

/** Where Jobs of ours are, and the label that those with records have there. */
interface Namespace {
  jobs: Jobs
  recordLabel: string
}

function namespacesOf({ http, config }: Pick<JanitorOptions, 'http' | 'config'>): Namespace[] {
  const first = { jobs: new Jobs(http, config.NAMESPACE), recordLabel: LABEL.executionId }
  if (config.NESTED_NAMESPACE === undefined) return [first]
  return [first, { jobs: new Jobs(http, config.NESTED_NAMESPACE), recordLabel: LABEL.executions }]
}

/**
 * Removes the Jobs without a record whose runner is gone: agents end by themselves with their stream, but a Job that never started one would stay.
 * @param life the same each time: what is gone is told from what changed since the last look
 * @returns how many were removed
 * @throws KubeError
 */
export async function removeOrphans(
  options: Omit<JanitorOptions, 'metrics' | 'clock'>,
  life: RunnerLife,
): Promise<number> {
  const { http, config, log } = options
  const unfinished: (JobMetadata['metadata'] & { jobs: Jobs })[] = []
  // Jobs before leases: a runner that starts in between is seen as living.
  for (const { jobs } of namespacesOf(options)) {
    for await (const { metadata } of jobs.list(`${LABEL.managedBy}=${MANAGED_BY},${LABEL.state}!=finished`))
      unfinished.push({ ...metadata, jobs })
  }
  const { living, expired } = await life.look(http, config.NAMESPACE)
  const strays = unfinished.filter(({ labels }) => !living.has(labels?.[LABEL.runner] ?? ''))
  const lasting = life.lasting(strays.map(({ uid }) => uid))
  const orphans = strays.filter(({ uid }) => lasting.has(uid))
  for (const orphan of orphans) await letGo(orphan)
  for (const name of expired) await deleteLease(http, config.NAMESPACE, name)
  if (orphans.length > 0) log.info({ removed: orphans.length }, 'Jobs of runners that are gone were removed')
  return orphans.length
}

/** One that several executions shared may hold records of those that ended. */
async function letGo({ jobs, ...metadata }: JobMetadata['metadata'] & { jobs: Jobs }): Promise<void> {
  const { name, uid } = metadata
  if (recordTexts(metadata).length === 0) await deleteSeen(jobs, name, uid)
  else await jobs.patch(name, { metadata: { labels: { [LABEL.state]: 'finished' } } })
}

/**
 * Removes every Job and Lease of ours, records included: for uninstalling.
 * @throws KubeError
 */
export async function removeEverything(http: Pick<KubeHttp, 'call'>, namespace: string): Promise<number> {
  const jobs = new Jobs(http, namespace)
  let removed = 0
  for await (const { metadata } of jobs.list(`${LABEL.managedBy}=${MANAGED_BY}`)) {
    await jobs.delete(metadata.name)
    removed += 1
  }
  for (const name of await leaseNames(http, namespace)) await deleteLease(http, namespace, name)
  return removed
}

/** 409: an object of the same name, but not the one that was seen. */
async function deleteSeen(jobs: Jobs, name: string, uid: string): Promise<void> {
  await jobs.delete(name, uid).catch((error: unknown) => {
    if (!(error instanceof KubeError && error.status === 409)) throw error
  })
}
