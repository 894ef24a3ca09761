/**
 * Says that a runner lives: a Lease beside its sandboxes, renewed every 10 s. The janitor of any runner takes the Jobs of one whose Lease ran out: agents end by
 * themselves when their stream does, but a Job whose image can't be pulled would try for ever.
 */
import { toError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { type Clock, systemClock } from '../core/time.ts'
import type { KubeHttp } from './http.ts'
import { isAlreadyExists, isNotFound } from './kube-error.ts'
import { LABEL, labelValue, MANAGED_BY } from './labels.ts'

const RENEW_MS = 10_000
/** Several renewals may fail before anybody takes a runner for dead. */
export const LEASE_SECONDS = 60

/** Twice the time in which a runner renews its Lease. */
const STRAY_MS = 20_000

interface Lease {
  metadata: { name: string; labels?: Record<string, string> }
  spec?: { renewTime?: string; leaseDurationSeconds?: number }
}

export interface RunnerLeaseOptions {
  http: Pick<KubeHttp, 'call'>
  namespace: string
  /** As given to createJobProvider. */
  runner: string
  log: Log
  clock?: Clock
}

export class RunnerLease implements AsyncDisposable {
  readonly #options: RunnerLeaseOptions
  readonly #clock: Clock
  readonly #name: string
  readonly #stop = new AbortController()
  #done: Promise<void> = Promise.resolve()

  private constructor(options: RunnerLeaseOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#name = leaseName(options.runner)
  }

  /** Resolves when the Lease is there: no sandbox may be made before. @throws KubeError */
  static async hold(options: RunnerLeaseOptions): Promise<RunnerLease> {
    const lease = new RunnerLease(options)
    await lease.#renew()
    lease.#done = lease.#keep()
    return lease
  }

  /** Gives the Lease back. Sandboxes that are left are then anybody's to remove. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#done
    try {
      await this.#options.http.call({ method: 'DELETE', path: `${path(this.#options.namespace)}/${this.#name}` })
    } catch (error) {
      if (!isNotFound(error)) this.#warn(error, 'a lease could not be given back: it runs out')
    }
  }

  async #keep(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await this.#clock.sleep(RENEW_MS, signal).catch(() => {})
      if (!signal.aborted) await this.#renew().catch((error: unknown) => this.#warn(error, 'a lease was not renewed'))
    }
  }

  async #renew(): Promise<void> {
    const { http, namespace, runner } = this.#options
    const spec = {
      holderIdentity: runner,
      leaseDurationSeconds: LEASE_SECONDS,
      // A MicroTime has six digits after the point.
      renewTime: new Date(this.#clock.now()).toISOString().replace('Z', '000Z'),
    }
    const patch = () =>
      http.call({ method: 'PATCH', path: `${path(namespace)}/${this.#name}`, body: { spec }, timeoutMs: RENEW_MS })
    try {
      await patch()
    } catch (error) {
      if (!isNotFound(error)) throw error
      const labels = { [LABEL.managedBy]: MANAGED_BY, [LABEL.runner]: labelValue(runner) }
      const body = {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name: this.#name, labels },
        spec,
      }
      await http.call({ method: 'POST', path: path(namespace), body }).catch((failed: unknown) => {
        if (!isAlreadyExists(failed)) throw failed
      })
    }
  }

  #warn(error: unknown, message: string): void {
    this.#options.log.warn({ runner: this.#options.runner, error: toError(error).message }, message)
  }
}

interface Renewal {
  renewTime: string | undefined
  /** Monotonic milliseconds of the observer. */
  seenAt: number
}

/**
 * Which runners live, judged by whether their Leases change and not by the time that is written in them: clocks of nodes may be minutes apart, and a runner whose
 * clock is wrong must neither be taken for dead nor take all others for dead. So it takes one observer the length of a Lease to tell that a runner is gone.
 */
export class RunnerLife {
  readonly #clock: Pick<Clock, 'monotonic'>
  #renewals = new Map<string, Renewal>()
  #strays = new Map<string, number>()

  constructor(clock: Pick<Clock, 'monotonic'> = systemClock) {
    this.#clock = clock
  }

  /** The runners that live, as label values, and the names of Leases that ran out. @throws KubeError */
  async look(
    http: Pick<KubeHttp, 'call'>,
    namespace: string,
  ): Promise<{ living: ReadonlySet<string>; expired: readonly string[] }> {
    const now = this.#clock.monotonic()
    const living = new Set<string>()
    const expired: string[] = []
    const renewals = new Map<string, Renewal>()
    for (const { metadata, spec } of await listLeases(http, namespace)) {
      const last = this.#renewals.get(metadata.name)
      const renewal = last?.renewTime === spec?.renewTime && last ? last : { renewTime: spec?.renewTime, seenAt: now }
      renewals.set(metadata.name, renewal)
      const runner = metadata.labels?.[LABEL.runner]
      if (runner !== undefined && now - renewal.seenAt < LEASE_SECONDS * 1000) living.add(runner)
      else expired.push(metadata.name)
    }
    this.#renewals = renewals
    return { living, expired }
  }

  /** Of these uids of Jobs whose runner does not live: those that were seen like this some time ago already. A Lease that somebody deleted is there again soon. */
  lasting(strays: readonly string[]): ReadonlySet<string> {
    const now = this.#clock.monotonic()
    this.#strays = new Map(strays.map((uid) => [uid, this.#strays.get(uid) ?? now]))
    return new Set(strays.filter((uid) => now - (this.#strays.get(uid) ?? now) >= STRAY_MS))
  }
}

/** The names of all Leases of ours. @throws KubeError */
export async function leaseNames(http: Pick<KubeHttp, 'call'>, namespace: string): Promise<string[]> {
  return (await listLeases(http, namespace)).map(({ metadata }) => metadata.name)
}

async function listLeases(http: Pick<KubeHttp, 'call'>, namespace: string): Promise<Lease[]> {
  const query = { labelSelector: `${LABEL.managedBy}=${MANAGED_BY}` }
  const { items } = await http.call<{ items: Lease[] | null }>({ path: path(namespace), query })
  return items ?? []
}

/** A Lease that ran out is of no use to anybody. @throws KubeError */
export async function deleteLease(http: Pick<KubeHttp, 'call'>, namespace: string, name: string): Promise<void> {
  await http.call({ method: 'DELETE', path: `${path(namespace)}/${name}` }).catch((error: unknown) => {
    if (!isNotFound(error)) throw error
  })
}

function path(namespace: string): string {
  return `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`
}

/** A Lease is named as a DNS label is: in lower case. */
export function leaseName(runner: string): string {
  return `runner-${labelValue(runner)
    .toLowerCase()
    .replace(/[^a-z0-9.-]/g, '-')}`
}
