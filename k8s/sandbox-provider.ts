/**
 * The `job` tier: each sandbox is a Job with one pod, used for one execution. Creating the Job is the only write that somebody waits for; its pod is followed by
 * one watch for all sandboxes of this runner, and claiming one later needs no call at all.
 */
import { randomInt } from 'node:crypto'
import { AppError, toError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Sandbox, SandboxEnd, SandboxProvider } from '../core/ports.ts'
import { type Clock, systemClock } from '../core/time.ts'
import { attach } from './attach.ts'
import { HeldJob } from './held-job.ts'
import type { KubeHttp } from './http.ts'
import { JobSandbox } from './job-sandbox.ts'
import { buildSandboxJob, CONTAINER, uidRange } from './job-spec.ts'
import { Jobs } from './jobs.ts'
import { isAlreadyExists } from './kube-error.ts'
import { ANNOTATION, LABEL, labelValue } from './labels.ts'
import { PodStream } from './pod-stream.ts'
import { type FollowedPod, PodTracker } from './pod-tracker.ts'
import { retrying } from './retry.ts'
import type { RunnerKubernetesConfig, SandboxSettings } from './settings.ts'
import { startFailure, whenAttached } from './start.ts'

export interface JobProviderOptions {
  http: Pick<KubeHttp, 'call' | 'open' | 'socketOptions'>
  config: Pick<
    RunnerKubernetesConfig,
    'NAMESPACE' | 'RETENTION_SECONDS' | 'START_DEADLINE_MS' | 'UNSCHEDULABLE_GRACE_MS'
  >
  /** By language. */
  languages: Record<string, SandboxSettings>
  /** The runner's own name, unique among those that live: its pod's name. */
  runner: string
  log: Log
  clock?: Clock
}

/** How long a broken stream waits for the kubelet to say what became of the container: its status is about a second late. */
const VERDICT_MS = 3000
const NAME_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789'
const NAME_LENGTH = 10

/** A provider that also counts what it holds and lets go of its watch at the end; sandboxes are destroyed by whoever has them. */
export function createJobProvider(options: JobProviderOptions): SandboxProvider & AsyncDisposable {
  return new JobProvider(options)
}

class JobProvider implements SandboxProvider, AsyncDisposable {
  readonly #options: JobProviderOptions
  readonly #clock: Clock
  readonly #jobs: Jobs
  readonly #pods: PodTracker
  readonly #runner: string

  constructor(options: JobProviderOptions) {
    const { http, config, log } = options
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#runner = labelValue(options.runner)
    this.#jobs = new Jobs(http, config.NAMESPACE)
    this.#pods = new PodTracker({ http, namespace: config.NAMESPACE, runner: this.#runner, log })
  }

  async start(language: string, signal: AbortSignal): Promise<Sandbox> {
    const settings = this.#options.languages[language]
    if (!settings) throw new AppError('sandbox_unavailable', `There are no settings for the language ${language}`)
    const deadline = AbortSignal.timeout(this.#options.config.START_DEADLINE_MS)
    const job = new HeldJob(randomName(language))
    const pod = this.#pods.follow(job.name)
    try {
      return await this.#start(job, pod, language, settings, AbortSignal.any([signal, deadline]))
    } catch (error) {
      await this.#release(job, pod)
      throw startFailure(error, {
        signal,
        deadline,
        pod: pod.state,
        deadlineMs: this.#options.config.START_DEADLINE_MS,
      })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pods[Symbol.asyncDispose]()
  }

  async #start(
    job: HeldJob,
    pod: FollowedPod,
    language: string,
    settings: SandboxSettings,
    signal: AbortSignal,
  ): Promise<Sandbox> {
    await this.#create(job.name, language, settings, signal)
    const { NAMESPACE, UNSCHEDULABLE_GRACE_MS } = this.#options.config
    const stream = await whenAttached({
      http: this.#options.http,
      namespace: NAMESPACE,
      job: job.name,
      pod,
      look: (name) => this.#pods.look(name),
      connect: (name) =>
        PodStream.open((listeners) =>
          attach(this.#options.http, { namespace: NAMESPACE, pod: name, container: CONTAINER }, listeners, signal),
        ),
      unschedulableGraceMs: UNSCHEDULABLE_GRACE_MS,
      clock: this.#clock,
      signal,
    })
    const ready = await this.#handshake(stream, pod, signal)
    this.#announceWarm(job, ready.version)
    return new JobSandbox({
      job,
      language,
      version: ready.version,
      stream,
      examine: (reason) => this.#examine(pod, reason),
      release: () => this.#release(job, pod),
    })
  }

  async #create(name: string, language: string, settings: SandboxSettings, signal: AbortSignal): Promise<void> {
    const [lowest, highest] = uidRange(settings)
    const job = buildSandboxJob(settings, {
      name,
      language,
      runner: this.#runner,
      uid: randomInt(lowest, highest + 1),
      retentionSeconds: this.#options.config.RETENTION_SECONDS,
    })
    const { START_DEADLINE_MS } = this.#options.config
    await retrying(
      async (attempt) => {
        try {
          await this.#jobs.create(job, signal)
        } catch (error) {
          // The answer to an earlier attempt was lost, not the attempt.
          if (!(attempt > 1 && isAlreadyExists(error))) throw error
        }
      },
      { clock: this.#clock, budgetMs: START_DEADLINE_MS, signal },
    )
  }

  async #handshake(stream: PodStream, pod: FollowedPod, signal: AbortSignal): Promise<{ version: string }> {
    const giveUp = () => stream.close('it was not ready in time')
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      return await stream.hello()
    } catch (error) {
      stream.close()
      signal.throwIfAborted()
      const end = await this.#examine(pod, toError(error).message)
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

  /** For those who look; losing it is no harm. */
  #announceWarm(job: HeldJob, version: string): void {
    const change = {
      metadata: { labels: { [LABEL.state]: 'warm' }, annotations: { [ANNOTATION.version]: version } },
    }
    job
      .inOrder(() => this.#jobs.patch(job.name, change))
      .catch((error: unknown) => {
        this.#options.log.debug({ job: job.name, error: toError(error).message }, 'a Job could not be marked as warm')
      })
  }

  async #examine(pod: FollowedPod, reason: string): Promise<SandboxEnd> {
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
    if (job.holdsRecord) return
    try {
      await retrying(() => this.#jobs.delete(job.name), { clock: this.#clock, budgetMs: 5000 })
    } catch (error) {
      // Its stream is closed, so its agent ends and the TTL removes it; one that never ran is the janitor's.
      const { message } = toError(error)
      this.#options.log.warn({ job: job.name, error: message }, 'a Job could not be deleted')
    }
  }
}

function randomName(language: string): string {
  const letters = Array.from({ length: NAME_LENGTH }, () => NAME_ALPHABET[randomInt(NAME_ALPHABET.length)])
  return `${language}-${letters.join('')}`
}
