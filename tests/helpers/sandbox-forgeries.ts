import type { V1Container, V1Job, V1JobSpec, V1Pod, V1PodSpec } from '@kubernetes/client-node'
import { CONTAINER } from '../../k8s/job-spec.ts'

/** What somebody would change in a Job of Runlet to get more out of it than a sandbox. Each is laid over a Job that is right. */
export interface Forgery {
  what: string
  /** What is said of it. */
  refusal: RegExp
  /** Where another part of the API server speaks first of the pod. */
  onPods?: RegExp
  /** It is not seen on the pod, or the cluster puts it right there: a LimitRange gives limits, RuntimeClasses and a default PriorityClass say where it is placed. */
  onlyOnJobs?: true
  job?: Partial<V1JobSpec>
  annotations?: Record<string, string>
  pod?: Partial<V1PodSpec>
  container?: Partial<V1Container>
}

const folders = [
  { name: 'tmp', hostPath: { path: '/' } },
  { name: 'shm', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
]
const other = { name: 'second', image: 'runlet/python:dev' }
const resources = { limits: { cpu: '1', memory: '64Mi' } }
const node = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{}] } } }

/** For both tiers. */
export const FORGERIES: readonly Forgery[] = [
  { what: 'another image', refusal: /image/, container: { image: 'runlet/service:dev' } },
  { what: 'an image that begins alike', refusal: /image/, container: { image: 'runlet/python-evil:dev' } },
  { what: 'the image of another registry', refusal: /image/, container: { image: 'evil.test/runlet/python:dev' } },
  { what: 'a registry with the name of the image', refusal: /image/, container: { image: 'runlet/python:5000/x:dev' } },
  {
    what: 'the network of the node',
    refusal: /namespaces of the node|hostNetwork|hostUsers/,
    pod: { hostNetwork: true },
  },
  { what: 'the processes of the node', refusal: /namespaces of the node|hostPID|hostUsers/, pod: { hostPID: true } },
  { what: 'no user namespace', refusal: /hostUsers/, pod: { hostUsers: true } },
  {
    what: 'a runtime of its choice',
    refusal: /runtimeClassName/,
    onPods: /RuntimeClass "weaker" not found/,
    pod: { runtimeClassName: 'weaker' },
  },
  { what: 'a node of its choice', refusal: /scheduler/, pod: { nodeName: 'node-1' } },
  { what: 'another scheduler', refusal: /scheduler/, pod: { schedulerName: 'mine' } },
  { what: 'an affinity', refusal: /scheduler/, pod: { affinity: node } },
  {
    what: 'another nodeSelector',
    refusal: /nodeSelector/,
    onlyOnJobs: true,
    pod: { nodeSelector: { 'kubernetes.io/hostname': 'node-1' } },
  },
  {
    what: 'more tolerations',
    refusal: /tolerations/,
    onlyOnJobs: true,
    pod: { tolerations: [{ operator: 'Exists' }] },
  },
  {
    what: 'a priority',
    refusal: /priorityClassName/,
    onlyOnJobs: true,
    pod: { priorityClassName: 'system-node-critical' },
  },
  { what: 'a service account token', refusal: /no rights/, pod: { automountServiceAccountToken: true } },
  { what: 'a service account', refusal: /no rights/, onPods: /not found/, pod: { serviceAccountName: 'other' } },
  { what: 'the names of the cluster', refusal: /names of the cluster/, pod: { dnsPolicy: 'ClusterFirst' } },
  { what: 'an init container', refusal: /one container/, pod: { initContainers: [other] } },
  { what: 'a restart', refusal: /one container/, pod: { restartPolicy: 'OnFailure' } },
  { what: 'a folder of the node', refusal: /memory of a bounded size/, pod: { volumes: folders } },
  {
    what: 'no seccomp',
    refusal: /seccomp profile must be/,
    pod: { securityContext: { seccompProfile: { type: 'Unconfined' } } },
  },
  { what: 'a sysctl', refusal: /security context/, pod: { securityContext: { sysctls: [{ name: 'a', value: '1' }] } } },
  { what: 'another command', refusal: /agent must be started/, container: { command: ['sleep', '60'] } },
  {
    what: 'variables',
    refusal: /agent must be started/,
    container: { env: [{ name: 'LD_PRELOAD', value: '/tmp/x' }] },
  },
  {
    what: 'a hook',
    refusal: /agent must be started/,
    container: { lifecycle: { preStop: { sleep: { seconds: 1 } } } },
  },
  { what: 'no bound of its disk', refusal: /must have limits/, onlyOnJobs: true, container: { resources } },
  {
    what: 'privileges',
    refusal: /container must be closed|allowPrivilegeEscalation/,
    container: { securityContext: { privileged: true } },
  },
  {
    what: 'annotations for the container runtime',
    refusal: /annotations/,
    onlyOnJobs: true,
    annotations: { 'io.kubernetes.cri-o.userns-mode': 'host' },
  },
  { what: 'a second try', refusal: /runs one pod, once/, onlyOnJobs: true, job: { backoffLimit: 3 } },
  { what: 'many pods', refusal: /runs one pod, once/, onlyOnJobs: true, job: { parallelism: 50, completions: 50 } },
  { what: 'a week', refusal: /its time/, onlyOnJobs: true, job: { activeDeadlineSeconds: 604_800 } },
]

/** A Job with the change. */
export function forge(right: V1Job, change: Pick<Forgery, 'job' | 'annotations' | 'pod' | 'container'>): V1Job {
  const { job, annotations, pod, container } = change
  const forged = structuredClone(right)
  const spec = forged.spec?.template.spec
  const [only] = spec?.containers ?? []
  if (!forged.spec || !spec || !only) throw new Error(`The Job has no ${CONTAINER}`)
  const { securityContext, ...rest } = pod ?? {}
  Object.assign(forged.spec, job)
  if (annotations) forged.spec.template.metadata = { ...forged.spec.template.metadata, annotations }
  Object.assign(spec, rest, securityContext && { securityContext: { ...spec.securityContext, ...securityContext } })
  const security = container?.securityContext
  Object.assign(only, container, security && { securityContext: { ...only.securityContext, ...security } })
  return forged
}

/** The pod that the Job's controller would make. */
export function podOf({ metadata, spec }: V1Job): V1Pod {
  const owner = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    name: metadata?.name ?? '',
    uid: '00000000-0000-0000-0000-000000000000',
  }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: metadata?.name ?? '',
      labels: { ...spec?.template.metadata?.labels },
      ownerReferences: [{ ...owner, controller: true }],
    },
    ...(spec?.template.spec && { spec: spec.template.spec }),
  }
}
