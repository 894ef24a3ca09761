import type { V1Job } from '@kubernetes/client-node'
import { buildJob, buildPodSpec, type JobFacts } from './job-spec.ts'
import type { NestedSettings, SandboxSettings } from './settings.ts'

/**
 * What an agent needs to make sandboxes: namespaces and mounts, guests' uids, and to end guests of another uid. In a user namespace of the pod's own (`hostUsers:
 * false`) these count for what that namespace owns and for nothing of the node's.
 */
const CAPABILITIES = ['SYS_ADMIN', 'SETUID', 'SETGID', 'KILL']

const MEBIBYTES_PER_SLOT = 512
const MEBIBYTES_OF_AGENT = 128

/**
 * A Job whose agent runs several executions, each in a sandbox that it makes for it: pure. It is not a privileged container, but it asks for more than any Pod
 * Security Standard below `privileged` gives, so it lives in a namespace of its own, whose admission policy lets this shape in and no other: a change here needs
 * one in charts/runlet/templates/_admission.tpl.
 */
export function buildNestedJob(settings: SandboxSettings, { slots }: NestedSettings, facts: JobFacts): V1Job {
  const pod = buildPodSpec(settings, {
    security: { runAsNonRoot: false, runAsUser: 0, runAsGroup: 0, seccompProfile: { type: 'RuntimeDefault' } },
    container: {
      capabilities: { drop: ['ALL'], add: CAPABILITIES },
      // A fresh /proc can be mounted only where the one that is there hides nothing.
      procMount: 'Unmasked',
    },
    resources: {
      requests: { cpu: '100m', memory: '128Mi', 'ephemeral-storage': '64Mi' },
      limits: {
        cpu: String(slots),
        memory: `${slots * MEBIBYTES_PER_SLOT + MEBIBYTES_OF_AGENT}Mi`,
        // The output of all executions passes through the container's log: the kubelet keeps five files of 10 MiB.
        'ephemeral-storage': '256Mi',
      },
    },
    args: ['--slots', String(slots)],
  })
  return buildJob(facts, { ...pod, hostUsers: false })
}

/** In words, what the API server took out of a nested Job, or undefined. Without a user namespace the capabilities would be the node's. */
export function missingFromNestedJob(job: V1Job): string | undefined {
  const pod = job.spec?.template.spec
  const container = pod?.containers[0]?.securityContext
  if (pod?.hostUsers !== false) return 'the cluster does not know user namespaces for pods (hostUsers: false)'
  if (container?.procMount !== 'Unmasked') return 'the cluster does not know procMount: Unmasked'
  return undefined
}
