import type { Sandbox } from '../core/ports.ts'
import type { Story } from './events.ts'

/** The Job under a sandbox, as long as we hold its stream: what the provider and the recorder both must know of it. */
export class HeldJob {
  readonly name: string
  /** Several executions run on it, side by side and one after the other; their records are written in groups. */
  readonly shared: boolean
  /** It holds a record, or is about to: then it stays until its TTL, and whoever destroys the sandbox must not delete it. */
  holdsRecord = false
  /** Adds to what `kubectl describe job` tells of it; nothing where nobody listens. Never throws, never waits. */
  tell: (story: Story) => void = () => {}
  #last: Promise<unknown> = Promise.resolve()

  constructor(name: string, shared = false) {
    this.name = name
    this.shared = shared
  }

  /** Writes on the Job happen one after the other: a late `warm` must not overwrite `finished`. */
  inOrder<Answer>(write: () => Promise<Answer>): Promise<Answer> {
    const mine = this.#last.then(write, write)
    this.#last = mine.catch(() => {})
    return mine
  }
}

/** A sandbox that lives on a Job. Several may share one. */
export interface OnJob {
  /** undefined while the sandbox has not been given an execution, where only that decides on the Job. */
  readonly job: HeldJob | undefined
}

export function jobOf(sandbox: Sandbox): HeldJob | undefined {
  const { job } = sandbox as Partial<OnJob>
  return job instanceof HeldJob ? job : undefined
}
