/** What is left of an allowance after one more was asked for. */
export interface Left {
  allowed: boolean
  /** How many more may come now. */
  remaining: number
  /** Whole seconds until the allowance is whole again. */
  wholeInSeconds: number
  /** Whole seconds until one more may come: 0 when it may now. */
  nextInSeconds: number
}

/**
 * So many in so much time, as a bucket that fills evenly: all of them may come at once, and after that as many as have been refilled. It never lets through
 * twice as many around the edge of a window, as counting by the minute does.
 */
export class Allowance {
  readonly #quota: number
  readonly #perMillisecond: number
  #tokens: number
  #at = Number.NEGATIVE_INFINITY

  constructor(quota: number, windowSeconds: number) {
    this.#quota = quota
    this.#perMillisecond = quota / (windowSeconds * 1000)
    this.#tokens = quota
  }

  /** @param now milliseconds of a clock that only goes forward */
  take(now: number): Left {
    this.#tokens = Math.min(this.#quota, this.#tokens + Math.max(0, now - this.#at) * this.#perMillisecond)
    this.#at = now
    const allowed = this.#tokens >= 1
    if (allowed) this.#tokens--
    return {
      allowed,
      remaining: Math.floor(this.#tokens),
      wholeInSeconds: this.#secondsUntil(this.#quota),
      nextInSeconds: this.#secondsUntil(1),
    }
  }

  #secondsUntil(tokens: number): number {
    return Math.max(0, Math.ceil((tokens - this.#tokens) / this.#perMillisecond / 1000))
  }
}
