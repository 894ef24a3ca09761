import type { V1ContainerStatus, V1Pod } from '@kubernetes/client-node'
import { CONTAINER } from './job-spec.ts'

/** What a sandbox's pod looks like from outside: the little of it that we keep. Pure. */
export interface PodState {
  name: string
  scheduled: boolean
  running: boolean
  /** Words of the scheduler. */
  unschedulable?: string | undefined
  /** Why the container can't start, in the kubelet's words. */
  blocked?: string | undefined
  /** The container, or the whole pod, is over. `unsure` when all we know is that it left our watch. */
  over?: { outOfMemory: boolean; detail: string; unsure?: boolean } | undefined
}

/** Reasons of a waiting container after which waiting on does not help, or helps only when somebody acts. */
const BLOCKED = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'InvalidImageName',
  'ImageInspectError',
  'RegistryUnavailable',
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  'CrashLoopBackOff',
])

export function podState(pod: V1Pod): PodState {
  const status = pod.status?.containerStatuses?.find((one) => one.name === CONTAINER)
  return {
    name: pod.metadata?.name ?? '',
    scheduled: Boolean(pod.spec?.nodeName),
    running: status?.state?.running !== undefined,
    unschedulable: unschedulable(pod),
    blocked: blocked(status),
    over: over(pod, status),
  }
}

function unschedulable(pod: V1Pod): string | undefined {
  const condition = pod.status?.conditions?.find((one) => one.type === 'PodScheduled')
  if (condition?.status !== 'False' || condition.reason !== 'Unschedulable') return undefined
  return condition.message ?? 'no node fits'
}

function blocked(status: V1ContainerStatus | undefined): string | undefined {
  const waiting = status?.state?.waiting
  if (!waiting?.reason || !BLOCKED.has(waiting.reason)) return undefined
  return waiting.message ? `${waiting.reason}: ${waiting.message}` : waiting.reason
}

function over(pod: V1Pod, status: V1ContainerStatus | undefined): PodState['over'] {
  const ended = status?.state?.terminated
  if (ended) {
    const reason = [ended.reason, ended.message].filter(Boolean).join(': ')
    return { outOfMemory: ended.reason === 'OOMKilled', detail: `exited with ${ended.exitCode} (${reason})` }
  }
  const { phase, reason, message } = pod.status ?? {}
  if (phase === 'Failed' || phase === 'Succeeded') {
    return { outOfMemory: false, detail: [reason ?? phase, message].filter(Boolean).join(': ') }
  }
  if (pod.metadata?.deletionTimestamp) return { outOfMemory: false, detail: 'its pod is being deleted' }
  return undefined
}
