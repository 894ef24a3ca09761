/** More than clocks that are kept in step differ by, and less than what a run's caller would notice. */
const TOLERATED_MS = 100

/** How long what one message showed is believed: a clock may have been set right since. */
const BELIEVED_MS = 60_000

export interface CallersClockOptions {
  /** The wall clock of this process. */
  now: () => number
  monotonic: () => number
}

/**
 * Tells a runner whose clock is behind that of the API. By such a clock a caller who has been told 202, and has gone, would still seem to wait: an error would be
 * all that becomes of its execution. No message can come before it was sent; the other direction can't be told from a message that waited.
 */
export class CallersClock {
  readonly #options: CallersClockOptions
  #shownAt = Number.NEGATIVE_INFINITY

  constructor(options: CallersClockOptions = { now: Date.now, monotonic: () => performance.now() }) {
    this.#options = options
  }

  /** @param acceptedAt Unix milliseconds by the API's clock, of a message that has come now */
  isBehind(acceptedAt: number): boolean {
    const { now, monotonic } = this.#options
    if (acceptedAt - now() > TOLERATED_MS) this.#shownAt = monotonic()
    return monotonic() - this.#shownAt < BELIEVED_MS
  }
}
