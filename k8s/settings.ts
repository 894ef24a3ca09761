import { z } from 'zod'
import { flag, integer } from '../core/config.ts'

const MEBIBYTE = 1024 * 1024

/** A Kubernetes quantity: `500m`, `64Mi`, `1`. */
const Quantity = z.string().regex(/^\d+(\.\d+)?([munkMGTPE]|[KMGTPE]i)?$/, 'must be a quantity such as 500m or 64Mi')

const Resources = z.strictObject({
  cpu: Quantity.optional(),
  memory: Quantity.optional(),
  'ephemeral-storage': Quantity.optional(),
})

const Toleration = z.strictObject({
  key: z.string().optional(),
  operator: z.enum(['Exists', 'Equal']).optional(),
  value: z.string().optional(),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).optional(),
  tolerationSeconds: z.int().optional(),
})

/**
 * How the sandboxes of one language look on Kubernetes: the part of a language's settings that is ours. Everything but the image has a safe default, which
 * buildSandboxJob owns, so that a Job is safe when all of it is missing.
 */
export const SandboxSettings = z.strictObject({
  image: z.string().min(1),
  imagePullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).optional(),
  imagePullSecrets: z.array(z.string().min(1)).optional(),
  /** Laid over the defaults name by name: setting `limits.memory` keeps the other limits. */
  resources: z.strictObject({ requests: Resources.optional(), limits: Resources.optional() }).optional(),
  /** gVisor, Kata. */
  runtimeClassName: z.string().min(1).optional(),
  /** false: a user namespace for each sandbox. */
  hostUsers: z.boolean().optional(),
  nodeSelector: z.record(z.string(), z.string()).optional(),
  tolerations: z.array(Toleration).optional(),
  priorityClassName: z.string().min(1).optional(),
  /** The name of a seccomp profile on the nodes; RuntimeDefault when there is none. The agent installs a stricter filter on the guest in both cases. */
  localhostSeccompProfile: z.string().min(1).optional(),
  /** Size of /tmp, which is memory and counts against limits.memory. */
  tmpSize: Quantity.optional(),
  /** Size of /dev/shm, the same way. */
  sharedMemorySize: Quantity.optional(),
})
export type SandboxSettings = z.infer<typeof SandboxSettings>

/** What the `nested` tier has besides: how many executions share a Job, side by side and one after the other. */
export const NestedSettings = z.strictObject({
  /** Executions that run in one Job at the same time. */
  slots: z.int().min(1).max(64).default(4),
  /** After so many a Job is replaced. One costs about a CPU-second to start: at 2000 that is half a millisecond for each execution. */
  executionsPerJob: z.int().min(1).default(2000),
  /** After this it is replaced too, so that images and nodes roll. */
  maxAgeSeconds: z.int().min(10).max(10_800).default(900),
})
export type NestedSettings = z.infer<typeof NestedSettings>

const Namespace = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'must be the name of a namespace')

/** Variables of every process that talks to Kubernetes. */
export const KubernetesConfig = z.object({
  /** Where the sandboxes live. */
  NAMESPACE: Namespace,
  /** Where the Jobs of the nested tier live; not set where no language uses it. */
  NESTED_NAMESPACE: Namespace.optional(),
})

/** The namespaces that have sandboxes. */
export function sandboxNamespaces({ NAMESPACE, NESTED_NAMESPACE }: z.infer<typeof KubernetesConfig>): string[] {
  return NESTED_NAMESPACE === undefined ? [NAMESPACE] : [NAMESPACE, NESTED_NAMESPACE]
}

/** Variables of the runner. */
export const RunnerKubernetesConfig = KubernetesConfig.extend({
  /** How long a finished Job, and with it the record, is kept. */
  RETENTION_SECONDS: integer(60, 30 * 86_400).default(3600),
  /** From creating a Job to its agent's `ready`; a first pull of an image on a slow node is the longest part. */
  START_DEADLINE_MS: integer(1000, 3_600_000).default(120_000),
  /** How long a pod may be unschedulable before we give it up: longer than the 10 s between two looks of the cluster autoscaler, so that it sees the pod. */
  UNSCHEDULABLE_GRACE_MS: integer(0, 3_600_000).default(15_000),
  /** Bytes of one record as JSON; the output in it is cut to fit. All annotations of a Job share 256 KiB. */
  RECORD_BYTES: integer(4096, 240 * 1024).default(96 * 1024),
  /** All records together; the oldest are removed past it. etcd holds 2 GiB by default, for the whole cluster. */
  RECORDED_BYTES: integer(MEBIBYTE).default(200 * MEBIBYTE),
  JANITOR_INTERVAL_MS: integer(1000, 3_600_000).default(30_000),
  /** Whether Jobs tell their story in Events: two writes for each, which a busy etcd may do without. */
  JOB_EVENTS: flag().prefault('true'),
})
export type RunnerKubernetesConfig = z.infer<typeof RunnerKubernetesConfig>

/** Variables of the API. */
export const ApiKubernetesConfig = KubernetesConfig.extend({
  /** Bodies of records kept in memory by each replica; a miss costs one GET. */
  RECORD_CACHE_BYTES: integer(MEBIBYTE).default(64 * MEBIBYTE),
})
export type ApiKubernetesConfig = z.infer<typeof ApiKubernetesConfig>
