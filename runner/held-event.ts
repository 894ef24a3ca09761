import { randomBytes } from 'node:crypto'
import { toError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Clock } from '../core/time.ts'
import type { KubeHttp } from '../k8s/http.ts'
import { leaseName } from '../k8s/runner-lease.ts'
import type { HeldEvent } from './start-health.ts'

export interface HeldEventOptions {
  http: Pick<KubeHttp, 'call'>
  /** Of the sandboxes. */
  namespace: string
  runner: string
  log: Log
  clock: Pick<Clock, 'now'>
}

/** The API server refuses longer ones. */
const MESSAGE_LENGTH = 1024

/**
 * Tells whoever looks with `kubectl get events` that a pool is held, and that it is free again. An Event must be in the namespace of what it is about,
 * and the runner's pod is in another one: so it is about the runner's Lease, which is beside the sandboxes. Losing one is no harm.
 */
export function createHeldNotifier({
  http,
  namespace,
  runner,
  log,
  clock,
}: HeldEventOptions): (event: HeldEvent) => void {
  return (event) => {
    const body = describeHeld(event, { namespace, runner, now: clock.now() })
    http
      .call({ method: 'POST', path: `/api/v1/namespaces/${namespace}/events`, body })
      .catch((thrown: unknown) => log.warn({ error: toError(thrown) }, 'An Event could not be written'))
  }
}

/** The Event as the API server wants it. Pure but for its name. */
export function describeHeld(
  { language, held, reason }: HeldEvent,
  { namespace, runner, now }: { namespace: string; runner: string; now: number },
) {
  const time = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z')
  const lease = leaseName(runner)
  const message = held ? `No ${language} sandboxes are started for now: ${reason}` : `${language} sandboxes start again`
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${lease}.${randomBytes(8).toString('hex')}`, namespace },
    involvedObject: { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace, name: lease },
    type: held ? 'Warning' : 'Normal',
    reason: held ? 'PoolHeld' : 'PoolFree',
    message: message.slice(0, MESSAGE_LENGTH),
    source: { component: 'runlet-runner' },
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  }
}
