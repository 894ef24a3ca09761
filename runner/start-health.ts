import type { Log } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import { type Failures, type Hold, NO_FAILURES } from './plan.ts'

export interface HeldEvent {
  language: string
  held: boolean
  reason: string
}

export interface StartHealthOptions {
  language: string
  metrics: Metrics
  log: Log
  /** Told when a pool is held and when it is free again, besides the log and the metric. Must not throw. */
  notify?: ((event: HeldEvent) => void) | undefined
}

/** Whether starting sandboxes of a language works: counts failures for planPool, and says once when the pool is held and once when it is free again. */
export class StartHealth {
  readonly #options: StartHealthOptions
  #failures: Failures = NO_FAILURES
  #held: Hold | undefined

  constructor(options: StartHealthOptions) {
    this.#options = options
    options.metrics.set('runlet_pool_held', { language: options.language }, 0)
  }

  get failures(): Failures {
    return this.#failures
  }

  get held(): Hold | undefined {
    return this.#held
  }

  /** Counts a failure. While the pool is held, starts that were under way before the last failure say nothing new: ten at once must not double the pause ten times. */
  fail(startedAt: number, reason: string, now: number): void {
    const { language, metrics, log } = this.#options
    metrics.add('runlet_sandbox_failures_total', { language, reason: 'start' })
    log.warn({ reason }, 'A sandbox could not be started')
    if (this.#held && startedAt <= this.#failures.at) return
    this.#failures = { count: this.#failures.count + 1, at: now, reason }
  }

  /** A sandbox did what it is there for. One that was ready before the last failure proves nothing. */
  prove(readyAt: number): void {
    if (readyAt >= this.#failures.at) this.forgive()
  }

  forgive(): void {
    this.#failures = NO_FAILURES
  }

  /** Takes over what the plan says. */
  hold(held: Hold | undefined): void {
    const changed = !this.#held !== !held
    this.#held = held
    if (!changed) return
    const { language, metrics, log, notify } = this.#options
    const reason = held?.reason ?? 'sandboxes start again'
    metrics.set('runlet_pool_held', { language }, held ? 1 : 0)
    if (held) log.error({ reason, failures: this.#failures.count }, 'The pool is held: sandboxes can not be started')
    else log.info({}, 'The pool is no longer held')
    notify?.({ language, held: held !== undefined, reason })
  }
}
