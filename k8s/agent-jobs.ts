/**
 * From a Job's description to an agent that said `ready` over an attached stream, whatever runs in it: what the two tiers have in common. Creating the Job is the
 * only write that somebody waits for; the pods of all Jobs of a runner in a namespace are followed by one watch.
 */
import { randomInt } from 'node:crypto'
import type { V1Job } from '@kubernetes/client-node'
import { AppError, toError } from '../core/errors.ts'
import type { ReadyFrame } from '../core/frames.ts'
import type { Log } from '../core/log.ts'
import type { SandboxEnd } from '../core/ports.ts'
import { type Clock, NOT_NEEDED, systemClock } from '../core/time.ts'
import { announceWarm } from './announce-warm.ts'
import { attach } from './attach.ts'
import type { Tell } from './events.ts'
import { HeldJob } from './held-job.ts'
import type { KubeHttp } from './http.ts'
import { CONTAINER } from './job-spec.ts'
import { Jobs } from './jobs.ts'
import { isAlreadyExists, isNotFound } from './kube-error.ts'
import { LABEL } from './labels.ts'
import { PodStream } from './pod-stream.ts'
import { type FollowedPod, PodTracker } from './pod-tracker.ts'
import { retrying } from './retry.ts'
import type { RunnerKubernetesConfig } from './settings.ts'
import { startFailure, whenAttached } from './start.ts'

export interface AgentJobsOptions {
  http: Pick<KubeHttp, 'call' | 'open' | 'socketOptions'>
  namespace: string
  config: Pick<RunnerKubernetesConfig, 'START_DEADLINE_MS' | 'UNSCHEDULABLE_GRACE_MS'>
  /** As a label value. */
  runner: string
  log: Log
  clock?: Clock | undefined
  /** Told how the Jobs do; nobody is when it is missing. */
  tell?: Tell | undefined
}

/** A Job whose agent is ready, and that nobody else has. */
export interface AttachedJob {
  job: HeldJob
  ready: ReadyFrame
  stream: PodStream
  /** What the pod says of a stream that broke. Never throws. */
  examine(reason: string): Promise<SandboxEnd>
  /** Lets go of it: deletes the Job, unless it holds a record. Called once; never throws. */
  release(): Promise<void>
}

export interface StartRequest {
  /** Of the Job; it becomes part of its name. */
  language: string
  /** Several executions share the Job: HeldJob.shared. */
  shared: boolean
  build(name: string): V1Job
}

/** How long a broken stream waits for the kubelet to say what became of the container: its status is about a second late. */
const VERDICT_MS = 3000
/** How long a place waits for its Job to be let go. */
const PATIENCE_MS = 5000
/** How long that is tried: an API server that is away must not leave Jobs that no runner knows any more. */
const LET_GO_MS = 600_000
const NAME_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789'
const NAME_LENGTH = 10

export class AgentJobs implements AsyncDisposable {
  readonly #options: AgentJobsOptions
  readonly #clock: Clock
  readonly #jobs: Jobs
  readonly #pods: PodTracker
  readonly #stop = new AbortController()

  constructor(options: AgentJobsOptions) {
    const { http, namespace, runner, log } = options
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#jobs = new Jobs(http, namespace)
    this.#pods = new PodTracker({ http, namespace, runner, log })
  }

  /**
   * Leaves nothing behind when it fails.
   * @throws AppError sandbox_unavailable
   */
  async start(request: StartRequest, signal: AbortSignal): Promise<AttachedJob> {
    const { config } = this.#options
    const deadline = AbortSignal.timeout(config.START_DEADLINE_MS)
    const job = new HeldJob(randomName(request.language), request.shared)
    const pod = this.#pods.follow(job.name)
    try {
      return await this.#start(job, pod, request.build(job.name), AbortSignal.any([signal, deadline]))
    } catch (error) {
      const failure = startFailure(error, { signal, deadline, pod: pod.state, deadlineMs: config.START_DEADLINE_MS })
      if (!signal.aborted) job.tell({ type: 'Warning', reason: 'NotStarted', message: failure.message })
      await this.#release(job, pod)
      throw failure
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(NOT_NEEDED)
    await this.#pods[Symbol.asyncDispose]()
  }

  async #start(job: HeldJob, pod: FollowedPod, description: V1Job, signal: AbortSignal): Promise<AttachedJob> {
    await this.#create(job, description, signal)
    const { http, namespace, config } = this.#options
    const stream = await whenAttached({
      ...{ http, namespace, pod, signal },
      job: job.name,
      look: (name) => this.#pods.look(name),
      missed: () => this.#pods.miss(),
      connect: (name) =>
        PodStream.open((listeners) => attach(http, { namespace, pod: name, container: CONTAINER }, listeners, signal)),
      unschedulableGraceMs: config.UNSCHEDULABLE_GRACE_MS,
      clock: this.#clock,
    })
    const ready = await this.#handshake(stream, pod, signal)
    void announceWarm(job, ready.version, { jobs: this.#jobs, clock: this.#clock, log: this.#options.log })
    const examine = (reason: string) => this.#examine(job, pod, reason)
    return { job, ready, stream, examine, release: () => this.#release(job, pod) }
  }

  async #create(job: HeldJob, description: V1Job, signal: AbortSignal): Promise<void> {
    const { namespace, tell } = this.#options
    const { name } = job
    await retrying(
      async (attempt) => {
        try {
          const uid = await this.#jobs.create(description, signal)
          job.tell = (story) => tell?.({ apiVersion: 'batch/v1', kind: 'Job', namespace, name, uid }, story)
        } catch (error) {
          // The answer to an earlier attempt was lost, not the attempt.
          if (!(attempt > 1 && isAlreadyExists(error))) throw error
        }
      },
      { clock: this.#clock, budgetMs: this.#options.config.START_DEADLINE_MS, signal },
    )
  }

  async #handshake(stream: PodStream, pod: FollowedPod, signal: AbortSignal): Promise<ReadyFrame> {
    const giveUp = () => stream.close('it was not ready in time')
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      return await stream.hello()
    } catch (error) {
      stream.close()
      signal.throwIfAborted()
      const end = await this.#verdict(pod, toError(error).message)
      const detail = end.reason === 'lost' ? end.detail : 'it ran out of memory'
      const said = stream.stderr.trim()
      throw new AppError(
        'sandbox_unavailable',
        `It ended before it was ready: ${detail}${said && `; it said: ${said}`}`,
      )
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  async #examine(job: HeldJob, pod: FollowedPod, reason: string): Promise<SandboxEnd> {
    const end = await this.#verdict(pod, reason)
    const message = end.reason === 'lost' ? end.detail : 'It ran out of memory'
    job.tell({ type: 'Warning', reason: 'Lost', message })
    return end
  }

  async #verdict(pod: FollowedPod, reason: string): Promise<SandboxEnd> {
    const until = this.#clock.monotonic() + VERDICT_MS
    for (let left = VERDICT_MS; !pod.state?.over && left > 0; left = until - this.#clock.monotonic())
      await pod.changed(left)
    let { over } = pod.state ?? {}
    if (pod.state && (over === undefined || over.unsure)) {
      over = (await this.#pods.look(pod.state.name).catch(() => undefined))?.over ?? over
    }
    if (over?.outOfMemory) return { reason: 'out_of_memory' }
    return { reason: 'lost', detail: over ? `${over.detail}; ${reason}` : reason }
  }

  async #release(job: HeldJob, pod: FollowedPod): Promise<void> {
    pod[Symbol.dispose]()
    const gone = this.#letGo(job)
    // Nobody waits for a record that is being written.
    if (job.holdsRecord && !job.shared) return
    const enough = new AbortController()
    await Promise.race([gone, this.#clock.sleep(PATIENCE_MS, enough.signal).catch(() => {})])
    enough.abort(NOT_NEEDED)
  }

  /** After what is being written on it: a record may have found another place. */
  async #letGo(job: HeldJob): Promise<void> {
    const finished = { metadata: { labels: { [LABEL.state]: 'finished' } } }
    const write = async () => {
      if (!job.holdsRecord) await this.#jobs.delete(job.name)
      else if (job.shared) await this.#jobs.patch(job.name, finished)
    }
    try {
      const { signal } = this.#stop
      await job.inOrder(() => retrying(write, { clock: this.#clock, budgetMs: LET_GO_MS, signal }))
    } catch (error) {
      if (isNotFound(error)) return
      // Its stream is closed, so its agent ends and the TTL removes it; one that never ran is the janitor's once this runner is gone.
      const { message } = toError(error)
      this.#options.log.warn({ job: job.name, error: message }, 'a Job could not be let go')
    }
  }
}

function randomName(language: string): string {
  const letters = Array.from({ length: NAME_LENGTH }, () => NAME_ALPHABET[randomInt(NAME_ALPHABET.length)])
  return `${language}-${letters.join('')}`
}
