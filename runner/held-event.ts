import type { Story, Subject, Tell } from '../k8s/events.ts'
import { leaseName } from '../k8s/runner-lease.ts'
import type { HeldEvent } from './start-health.ts'

export interface HeldEventOptions {
  tell: Tell
  /** Of the sandboxes. */
  namespace: string
  runner: string
}

/**
 * Tells whoever looks with `kubectl get events` that a pool is held, and that it is free again. An Event must be in the namespace of what it is about,
 * and the runner's pod is in another one: so it is about the runner's Lease, which is beside the sandboxes.
 */
export function createHeldNotifier({ tell, namespace, runner }: HeldEventOptions): (event: HeldEvent) => void {
  const subject: Subject = {
    ...{ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' },
    ...{ namespace, name: leaseName(runner) },
  }
  return (event) => tell(subject, storyOf(event))
}

function storyOf({ language, held, reason }: HeldEvent): Story {
  if (!held) return { reason: 'PoolFree', message: `${language} sandboxes start again` }
  return { type: 'Warning', reason: 'PoolHeld', message: `No ${language} sandboxes are started for now: ${reason}` }
}
