import type { Context, MiddlewareHandler } from 'hono'
import { AppError, type ErrorCode } from '../core/errors.ts'
import type { Clock } from '../core/time.ts'
import { Allowance } from './allowance.ts'
import type { ApiEnv, CallerLimits } from './deps.ts'

/** Seconds after which somebody is asked to try again whose own runs or executions must end first: nobody knows when they do. */
const RETRY_AFTER_RUNS_SECONDS = 1

/**
 * What each caller (an API key) may ask of this replica, so that one does not starve the others. Says where the caller stands in the headers `RateLimit` and
 * `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers). Who has no key has no name to be counted by: an address behind a proxy is the proxy's, or
 * whatever the client wrote, so without keys nothing is limited here. docs/adr/0009.
 */
export class CallerGuard {
  readonly #limits: CallerLimits
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #allowances = new Map<string, Allowance>()
  readonly #running = new Map<string, number>()

  constructor(limits: CallerLimits, clock: Pick<Clock, 'monotonic'>) {
    this.#limits = limits
    this.#clock = clock
  }

  /** For every request. @throws AppError rate_limited */
  readonly countRequest: MiddlewareHandler<ApiEnv> = async (c, next) => {
    const caller = c.get('caller')
    const { requests, windowSeconds } = this.#limits
    if (caller === undefined || requests === 0) return await next()
    const left = this.#allowanceOf(caller).take(this.#clock.monotonic())
    tell(c, `"requests";q=${requests};w=${windowSeconds}`, `"requests";r=${left.remaining};t=${left.wholeInSeconds}`)
    if (!left.allowed) {
      throw refusal('rate_limited', `This key may make ${requests} requests in ${windowSeconds} s`, left.nextInSeconds)
    }
    await next()
  }

  /** For requests that wait for their program. @throws AppError too_many_runs */
  readonly holdRun: MiddlewareHandler<ApiEnv> = async (c, next) => {
    const caller = c.get('caller')
    const { runs } = this.#limits
    if (caller === undefined || runs === 0) return await next()
    const running = this.#running.get(caller) ?? 0
    tell(c, `"runs";q=${runs};qu="concurrent-requests"`, `"runs";r=${Math.max(0, runs - running - 1)}`)
    if (running >= runs) {
      throw refusal('too_many_runs', `This key may have ${runs} runs at a time`, RETRY_AFTER_RUNS_SECONDS)
    }
    this.#running.set(caller, running + 1)
    try {
      await next()
    } finally {
      this.#release(caller)
    }
  }

  /** For requests that leave something behind: who asks, and how much of theirs may wait or run; undefined where that is not limited. */
  outstandingOf(c: Context<ApiEnv>): { caller: string; maximum: number } | undefined {
    const caller = c.get('caller')
    const { outstanding } = this.#limits
    if (caller === undefined || outstanding === 0) return undefined
    c.header('RateLimit-Policy', `"outstanding";q=${outstanding}`, { append: true })
    return { caller, maximum: outstanding }
  }

  #allowanceOf(caller: string): Allowance {
    const { requests, windowSeconds } = this.#limits
    const allowance = this.#allowances.get(caller) ?? new Allowance(requests, windowSeconds)
    this.#allowances.set(caller, allowance)
    return allowance
  }

  #release(caller: string): void {
    const left = (this.#running.get(caller) ?? 1) - 1
    if (left === 0) this.#running.delete(caller)
    else this.#running.set(caller, left)
  }
}

function tell(c: Context, policy: string, state: string): void {
  c.header('RateLimit-Policy', policy, { append: true })
  c.header('RateLimit', state, { append: true })
}

function refusal(code: ErrorCode, message: string, retryAfterSeconds: number): AppError {
  return new AppError(code, message, { retryAfterSeconds })
}
