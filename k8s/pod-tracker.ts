import type { V1Pod } from '@kubernetes/client-node'
import type { Log } from '../core/log.ts'
import type { KubeHttp } from './http.ts'
import { isNotFound } from './kube-error.ts'
import { LABEL } from './labels.ts'
import { ListWatch } from './list-watch.ts'
import { type PodState, podState } from './pod-state.ts'
import { Waiters } from './waiters.ts'

/** One Job's pod, as it changes. */
export interface FollowedPod extends Disposable {
  /** undefined while there is none. */
  readonly state: PodState | undefined
  /** Resolves at the next change, when the time is over, or when the signal aborts. Never rejects. */
  changed(milliseconds: number, signal?: AbortSignal): Promise<void>
}

/** A watch that said nothing for so long, while a pod is missed, is not trusted any more. Beginning it anew costs one request. */
const DOUBT_MS = 5_000
const JOB_NAME = 'batch.kubernetes.io/job-name'
const GONE: PodState['over'] = { outOfMemory: false, detail: 'its pod is gone' }
const LEFT: PodState['over'] = { ...GONE, unsure: true }

/**
 * One watch for all pods of one runner. Pods that ended fall out of it, so neither the watch nor our memory grows with the Jobs that are kept for their
 * records; of the others only those that somebody follows are remembered.
 */
export class PodTracker implements AsyncDisposable {
  readonly #http: Pick<KubeHttp, 'call' | 'open'>
  readonly #path: string
  readonly #watch: ListWatch<V1Pod & { metadata?: { name?: string; resourceVersion?: string } }>
  readonly #followed = new Map<string, Follower>()
  /** Which pod belongs to which followed Job: a removal tells the pod's name only. */
  readonly #jobOfPod = new Map<string, string>()

  constructor(options: { http: Pick<KubeHttp, 'call' | 'open'>; namespace: string; runner: string; log: Log }) {
    this.#http = options.http
    this.#path = `/api/v1/namespaces/${options.namespace}/pods`
    this.#watch = new ListWatch({
      http: options.http,
      path: this.#path,
      labelSelector: `${LABEL.runner}=${options.runner}`,
      fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed',
      log: options.log,
      handler: {
        upsert: (name, pod) => this.#upsert(name, pod),
        remove: (name) => this.#remove(name),
      },
    })
  }

  get synced(): boolean {
    return this.#watch.synced
  }

  /** To be called before the Job is created, so that no change is missed. */
  follow(job: string): FollowedPod {
    const follower = new Follower(() => {
      this.#followed.delete(job)
      if (follower.state) this.#jobOfPod.delete(follower.state.name)
    })
    this.#followed.set(job, follower)
    return follower
  }

  /** A pod is missed: so the watch is begun anew if it has been silent. */
  miss(): void {
    this.#watch.doubt(DOUBT_MS)
  }

  /** Asks for a pod instead of waiting for the watch; over when it is gone. Throws KubeError. */
  async look(name: string): Promise<PodState> {
    try {
      return podState(await this.#http.call<V1Pod>({ path: `${this.#path}/${name}`, timeoutMs: 3000 }))
    } catch (error) {
      if (isNotFound(error)) return { name, scheduled: true, running: false, over: GONE }
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watch[Symbol.asyncDispose]()
  }

  #upsert(name: string, pod: V1Pod): void {
    const job = pod.metadata?.labels?.[JOB_NAME]
    const follower = job === undefined ? undefined : this.#followed.get(job)
    if (!follower || job === undefined) return
    this.#jobOfPod.set(name, job)
    follower.set(podState(pod))
  }

  #remove(name: string): void {
    const job = this.#jobOfPod.get(name)
    if (job !== undefined) this.#followed.get(job)?.end()
  }
}

class Follower implements FollowedPod {
  readonly #release: () => void
  readonly #changes = new Waiters()
  #state: PodState | undefined

  constructor(release: () => void) {
    this.#release = release
  }

  get state(): PodState | undefined {
    return this.#state
  }

  set(state: PodState): void {
    this.#state = state
    this.#changes.releaseAll()
  }

  /** It fell out of the watch: what it said last of its end is better than that it is gone. */
  end(): void {
    if (this.#state) this.#state = { ...this.#state, running: false, over: this.#state.over ?? LEFT }
    this.#changes.releaseAll()
  }

  changed(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return this.#changes.wait('', milliseconds, signal)
  }

  [Symbol.dispose](): void {
    this.#release()
  }
}
