import type { Log } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Crowding } from './plan.ts'

/**
 * How many sandboxes the cluster has room for, as far as it was found out: a start that a quota or full nodes refused while others live says that there is no
 * room for more than these. No failure: the pool works on with what it has.
 */
export class Crowd {
  readonly #options: { language: string; metrics: Metrics; log: Log }
  #crowding: Crowding | undefined

  constructor(options: { language: string; metrics: Metrics; log: Log }) {
    this.#options = options
  }

  get crowding(): Crowding | undefined {
    return this.#crowding
  }

  /** A start was refused while `living` others lived. Those that were under way before the last refusal say nothing new: ten at once must not double the pause ten times. */
  refuse(startedAt: number, living: number, reason: string, now: number): void {
    const { language, metrics, log } = this.#options
    metrics.add('runlet_sandbox_failures_total', { language, reason: 'no_room' })
    const before = this.#crowding
    if (!before)
      log.warn({ reason, living }, 'The cluster has no room for more sandboxes: the pool stays as large as it is')
    if (before && startedAt <= before.at) this.#crowding = { ...before, living: Math.min(before.living, living) }
    else this.#crowding = { count: (before?.count ?? 0) + 1, at: now, living }
  }

  /** A sandbox is ready, and so many live with it. */
  grow(living: number): void {
    if (!this.#crowding || living <= this.#crowding.living) return
    this.#crowding = undefined
    this.#options.log.info({ living }, 'The cluster has room for more sandboxes again')
  }
}
