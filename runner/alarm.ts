import { type Clock, NOT_NEEDED } from '../core/time.ts'

/** One timer that only ever moves nearer: it rings once, at the earliest time that anybody asked for. */
export class Alarm {
  readonly #clock: Clock
  readonly #onRing: () => void
  #set: { at: number; cancel: AbortController } | undefined
  #stopped = false

  constructor(clock: Clock, onRing: () => void) {
    this.#clock = clock
    this.#onRing = onRing
  }

  /** Rings after so many milliseconds at the latest. */
  ringWithin(milliseconds: number): void {
    const at = this.#clock.monotonic() + milliseconds
    if (this.#stopped || (this.#set && this.#set.at <= at)) return
    this.#set?.cancel.abort(NOT_NEEDED)
    const cancel = new AbortController()
    this.#set = { at, cancel }
    this.#clock.sleep(milliseconds, cancel.signal).then(
      () => {
        this.#set = undefined
        this.#onRing()
      },
      () => {},
    )
  }

  /** Never rings again. */
  stop(): void {
    this.#stopped = true
    this.#set?.cancel.abort(NOT_NEEDED)
  }
}
