import { AppError } from '../core/errors.ts'
import { type Clock, NOT_NEEDED } from '../core/time.ts'

/**
 * Starts that were asked for and not yet answered, so that a plan made meanwhile does not ask for them again. The rules:
 *
 * 1. A start is counted before it is asked for.
 * 2. It is released once: by its answer, by its failure, or by the deadline, whichever is first.
 * 3. The count is never negative.
 * 4. At the deadline the start is told to stop (its signal) and fails with sandbox_unavailable.
 * 5. What answers after its deadline is discarded: nobody counts it, so nobody may use it.
 */
export class StartExpectations {
  readonly #clock: Clock
  readonly #deadlineMs: number
  readonly #pending = new Set<AbortController>()

  constructor({ clock, deadlineMs }: { clock: Clock; deadlineMs: number }) {
    this.#clock = clock
    this.#deadlineMs = deadlineMs
  }

  /** Starts in flight. */
  get count(): number {
    return this.#pending.size
  }

  /**
   * Makes a start and waits for it.
   * @param discard gets what a start gave after its deadline.
   * @throws AppError sandbox_unavailable at the deadline, or what `start` rejects with.
   */
  async expect<T>(start: (signal: AbortSignal) => Promise<T>, discard: (late: T) => void): Promise<T> {
    const stop = new AbortController()
    const answered = new AbortController()
    this.#pending.add(stop)
    try {
      const answer = start(stop.signal)
      const expired = this.#expiry(answered.signal, stop)
      const first = await Promise.race([answer.then((value) => ({ value })), expired])
      if (first) return first.value
      answer.then(discard, () => {})
      throw new AppError('sandbox_unavailable', `A sandbox was not ready within ${this.#deadlineMs} ms`)
    } finally {
      answered.abort(NOT_NEEDED)
      this.#pending.delete(stop)
    }
  }

  /** Tells every start in flight to stop; each stays counted until it has. */
  abort(reason: Error): void {
    for (const stop of this.#pending) stop.abort(reason)
  }

  /** Resolves with undefined at the deadline; never when the start was answered before. */
  #expiry(answered: AbortSignal, stop: AbortController): Promise<undefined> {
    return new Promise((resolve) => {
      this.#clock.sleep(this.#deadlineMs, answered).then(
        () => {
          stop.abort(new Error('The deadline of the start has passed'))
          resolve(undefined)
        },
        () => {},
      )
    })
  }
}
