import type { V1Container, V1Job, V1PodSecurityContext, V1PodSpec, V1SecurityContext } from '@kubernetes/client-node'
import { LABEL, MANAGED_BY } from './labels.ts'
import type { MetadataPatch } from './record.ts'
import type { SandboxSettings } from './settings.ts'

/** The one container of a sandbox. */
export const CONTAINER = 'sandbox'

/** What differs from one Job to the next. */
export interface JobFacts {
  name: string
  language: string
  /** Who created it and holds its stream. A label value. */
  runner: string
  retentionSeconds: number
}

/** What differs from one Job of the `job` tier to the next. */
export interface SandboxJobFacts extends JobFacts {
  /** Out of uidRange(settings). */
  uid: number
}

/**
 * Outermost bound of a Job that everybody forgot; it counts idle time, so it has nothing to do with the limits of an execution. A day: a warm sandbox is
 * replaced more often than that (the kubelet ends streams that were idle for 4 hours).
 */
const LIFETIME_SECONDS = 86_400

/** The agent ends at once when its stdin does; this is only how long a node waits for one that is stuck. */
const GRACE_SECONDS = 1

/** The guest may have 512 MiB (the highest limit an execution can ask for by default) beside the agent and the kernel's share, so that the agent notices first. */
const RESOURCES = {
  requests: { cpu: '50m', memory: '64Mi', 'ephemeral-storage': '16Mi' },
  limits: { cpu: '1', memory: '640Mi', 'ephemeral-storage': '64Mi' },
}

/**
 * The uids that a sandbox may have: [lowest, highest]. RLIMIT_NPROC and keyrings are counted per uid across a whole node, so no two sandboxes should share one.
 * In a user namespace the kubelet maps 65536 ids only.
 */
export function uidRange(settings: SandboxSettings): readonly [number, number] {
  return settings.hostUsers === false ? [10_000, 64_999] : [1_000_000_000, 1_999_999_999]
}

/** A sandbox as a Job: pure. Safe when every optional setting is missing; opening up is explicit. Valid under the `restricted` Pod Security Standard; an admission policy (charts/runlet/templates/_admission.tpl) lets in nothing else. */
export function buildSandboxJob(settings: SandboxSettings, facts: SandboxJobFacts): V1Job {
  return buildJob(facts, buildPod(settings, facts.uid))
}

/** The Job around a pod that runs an agent: never run again, bounded in time, kept for its records, then removed. */
export function buildJob(facts: JobFacts, pod: V1PodSpec): V1Job {
  const labels = {
    [LABEL.managedBy]: MANAGED_BY,
    [LABEL.language]: facts.language,
    [LABEL.runner]: facts.runner,
  }
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: facts.name, labels: { ...labels, [LABEL.state]: 'starting' } },
    spec: {
      completions: 1,
      parallelism: 1,
      backoffLimit: 0,
      podReplacementPolicy: 'Failed',
      activeDeadlineSeconds: LIFETIME_SECONDS,
      ttlSecondsAfterFinished: facts.retentionSeconds,
      template: {
        metadata: {
          labels,
          // An idle sandbox must not keep a node alive; an execution that is evicted with it is delivered again.
          annotations: { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'true' },
        },
        spec: pod,
      },
    },
  }
}

/** A Job that never has a pod: it completes at once, holds a record, and its TTL removes it. */
export function buildRecordJob(
  name: string,
  language: string,
  retentionSeconds: number,
  { labels, annotations }: Partial<MetadataPatch['metadata']> = {},
): V1Job {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      labels: { [LABEL.managedBy]: MANAGED_BY, [LABEL.language]: language, ...labels },
      ...(annotations && { annotations }),
    },
    spec: {
      completions: 0,
      parallelism: 0,
      backoffLimit: 0,
      ttlSecondsAfterFinished: retentionSeconds,
      // A template is required; this one is as closed as the others although nothing runs by it.
      template: { spec: buildPod({ image: 'none' }, 1_000_000_000) },
    },
  }
}

function buildPod(settings: SandboxSettings, uid: number): V1PodSpec {
  return buildPodSpec(settings, {
    security: {
      runAsNonRoot: true,
      runAsUser: uid,
      runAsGroup: uid,
      seccompProfile:
        settings.localhostSeccompProfile === undefined
          ? { type: 'RuntimeDefault' }
          : { type: 'Localhost', localhostProfile: settings.localhostSeccompProfile },
    },
    container: { capabilities: { drop: ['ALL'] } },
    resources: RESOURCES,
  })
}

/** In what the pods of the two tiers differ. */
export interface PodKind {
  security: V1PodSecurityContext
  container: V1SecurityContext
  /** Laid under what the settings say. */
  resources: { requests: Record<string, string>; limits: Record<string, string> }
  args?: string[]
}

/** A pod with one agent in it. */
export function buildPodSpec(settings: SandboxSettings, kind: PodKind): V1PodSpec {
  return {
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: GRACE_SECONDS,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    shareProcessNamespace: false,
    hostname: 'sandbox',
    // No name of the cluster inside, and nobody to ask: a nameserver is required by this policy, and nothing listens on this one.
    dnsPolicy: 'None',
    dnsConfig: { nameservers: ['127.0.0.1'] },
    securityContext: kind.security,
    containers: [buildContainer(settings, kind)],
    volumes: [
      { name: 'tmp', emptyDir: { medium: 'Memory', sizeLimit: settings.tmpSize ?? '128Mi' } },
      { name: 'shm', emptyDir: { medium: 'Memory', sizeLimit: settings.sharedMemorySize ?? '16Mi' } },
    ],
    ...optionalPodFields(settings),
  }
}

function buildContainer(settings: SandboxSettings, kind: PodKind): V1Container {
  return {
    name: CONTAINER,
    image: settings.image,
    imagePullPolicy: settings.imagePullPolicy ?? 'IfNotPresent',
    ...(kind.args && { args: kind.args }),
    stdin: true,
    stdinOnce: true,
    tty: false,
    // The kubelet always mounts this file, writable for everybody and outside of every storage limit. /root is closed to every uid but root's: so no guest reaches it.
    terminationMessagePath: '/root/termination-log',
    terminationMessagePolicy: 'File',
    securityContext: {
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      ...kind.container,
    },
    resources: {
      requests: { ...kind.resources.requests, ...defined(settings.resources?.requests) },
      limits: { ...kind.resources.limits, ...defined(settings.resources?.limits) },
    },
    volumeMounts: [
      { name: 'tmp', mountPath: '/tmp' },
      { name: 'shm', mountPath: '/dev/shm' },
    ],
  }
}

function optionalPodFields(settings: SandboxSettings): Partial<V1PodSpec> {
  const { runtimeClassName, hostUsers, nodeSelector, tolerations, priorityClassName, imagePullSecrets } = settings
  return {
    ...(runtimeClassName !== undefined && { runtimeClassName }),
    ...(hostUsers !== undefined && { hostUsers }),
    ...(nodeSelector && { nodeSelector }),
    ...(tolerations && { tolerations: tolerations.map(defined) }),
    ...(priorityClassName !== undefined && { priorityClassName }),
    ...(imagePullSecrets && { imagePullSecrets: imagePullSecrets.map((name) => ({ name })) }),
  }
}

/** The fields that are set: an undefined one would overwrite a default when laid over it. */
function defined<Value>(object: Record<string, Value | undefined> | undefined): Record<string, Value> {
  return Object.fromEntries(Object.entries(object ?? {}).filter(([, value]) => value !== undefined)) as Record<
    string,
    Value
  >
}
