/** From a created Job to an attached stream, and what to say when it does not come to that. */
import { AppError } from '../core/errors.ts'
import type { Clock } from '../core/time.ts'
import type { KubeHttp } from './http.ts'
import { isNotFound, KubeError } from './kube-error.ts'
import type { PodState } from './pod-state.ts'
import type { PodStream } from './pod-stream.ts'
import type { FollowedPod } from './pod-tracker.ts'

export interface AttachWait {
  http: Pick<KubeHttp, 'call'>
  namespace: string
  job: string
  pod: FollowedPod
  /** Called again and again while no pod of the Job was seen. */
  missed(): void
  look(pod: string): Promise<PodState>
  connect(pod: string): Promise<PodStream>
  unschedulableGraceMs: number
  clock: Pick<Clock, 'monotonic'>
  signal: AbortSignal
}

/** No container starts sooner after its pod was bound (500 ms is usual): trying before is a wasted request. */
const FIRST_TRY_MS = 300
/** Without a pod for so long, the Job's events are asked for the reason: a quota, an admission policy. */
const NO_POD_MS = 2000

/**
 * Attaches as soon as the container runs. The pod's status tells that up to a second late, so after the pod was bound attaching is simply tried: the answer to a
 * try that comes too early is a quick 404 or 500.
 * @throws AppError sandbox_unavailable, KubeError, or the signal's reason
 */
export async function whenAttached(wait: AttachWait): Promise<PodStream> {
  const { pod, clock, signal } = wait
  const created = clock.monotonic()
  let bound: number | undefined
  let nextEvents = created + NO_POD_MS
  for (;;) {
    signal.throwIfAborted()
    const now = clock.monotonic()
    await refuse(wait, now - created)
    if (pod.state?.scheduled) {
      bound ??= now
      const stream = mayTry(pod.state, now - bound) ? await tryAttach(wait, pod.state.name) : undefined
      if (stream) return stream
    } else if (!pod.state && now >= nextEvents) {
      wait.missed()
      await explainMissingPod(wait)
      nextEvents = now + NO_POD_MS
    }
    await pod.changed(pauseMs(pod.state, bound === undefined ? undefined : now - bound), signal)
  }
}

/** What to tell of a start that failed, whatever was thrown. */
export function startFailure(
  thrown: unknown,
  facts: { signal: AbortSignal; deadline: AbortSignal; pod: PodState | undefined; deadlineMs: number },
): AppError {
  if (thrown instanceof AppError) return thrown
  const because = (message: string) => new AppError('sandbox_unavailable', message, { cause: thrown })
  if (facts.signal.aborted) return because('Starting the sandbox was given up')
  if (facts.deadline.aborted)
    return because(`The sandbox was not ready within ${facts.deadlineMs} ms (${stage(facts.pod)})`)
  if (thrown instanceof KubeError)
    return new AppError(codeOf(thrown.message), `The sandbox could not be started: ${thrown.message}`, {
      cause: thrown,
    })
  return because('The sandbox could not be started')
}

function stage(pod: PodState | undefined): string {
  if (!pod) return 'it has no pod yet'
  if (pod.unschedulable) return `no node takes its pod: ${pod.unschedulable}`
  if (!pod.scheduled) return 'its pod is not scheduled yet'
  return pod.running ? 'its container runs' : 'its container does not run yet'
}

function mayTry(state: PodState, sinceBoundMs: number): boolean {
  return state.running || sinceBoundMs >= FIRST_TRY_MS
}

/** Short where the container is about to start, long where an image is being pulled: each try is a request to the kubelet. */
function pauseMs(state: PodState | undefined, sinceBoundMs: number | undefined): number {
  if (sinceBoundMs === undefined) return state ? 1000 : NO_POD_MS
  if (sinceBoundMs < FIRST_TRY_MS) return FIRST_TRY_MS - sinceBoundMs
  if (sinceBoundMs < 2000 || state?.running) return 40
  return sinceBoundMs < 10_000 ? 250 : 1000
}

async function refuse({ pod, look, unschedulableGraceMs }: AttachWait, sinceCreatedMs: number): Promise<void> {
  const { state } = pod
  if (!state) return
  const no = (message: string) => new AppError('sandbox_unavailable', message)
  if (state.blocked) throw no(`Its container cannot start: ${state.blocked}`)
  if (state.over) {
    const over = state.over.unsure ? ((await look(state.name)).over ?? state.over) : state.over
    throw no(`It ended before it was ready: ${over.detail}`)
  }
  if (state.unschedulable && sinceCreatedMs >= unschedulableGraceMs)
    throw new AppError('no_capacity', `No node takes its pod: ${state.unschedulable}`)
}

async function tryAttach({ connect, signal }: AttachWait, name: string): Promise<PodStream | undefined> {
  try {
    return await connect(name)
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof KubeError)) throw error
    const early = error.passing || error.status === 400 || error.status === 404
    if (early) return undefined
    throw new AppError('sandbox_unavailable', `Its pod cannot be attached to: ${error.message}`, { cause: error })
  }
}

/** A quota that is used up is no fault of this sandbox: there is room again when another one has gone. The words are those of the quota admission plugin. */
function codeOf(message = ''): 'no_capacity' | 'sandbox_unavailable' {
  return message.includes('exceeded quota') ? 'no_capacity' : 'sandbox_unavailable'
}

interface EventList {
  items: { reason?: string; message?: string }[] | null
}

/** A pod that a quota or a policy refuses is never created; only an event on the Job says so. */
async function explainMissingPod({ http, namespace, job, signal }: AttachWait): Promise<void> {
  const fieldSelector = `involvedObject.kind=Job,involvedObject.name=${job}`
  const path = `/api/v1/namespaces/${namespace}/events`
  const events = await http.call<EventList>({ path, query: { fieldSelector }, signal }).catch((error: unknown) => {
    if (isNotFound(error) || (error instanceof KubeError && (error.passing || error.status === 403))) return undefined
    throw error
  })
  const refused = events?.items?.find((event) => event.reason === 'FailedCreate')
  if (refused)
    throw new AppError(codeOf(refused.message), `Its pod was refused: ${refused.message ?? 'no reason given'}`)
}
