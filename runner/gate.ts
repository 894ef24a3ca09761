import { AppError } from '../core/errors.ts'
import type { Clock } from '../core/time.ts'
import { WaitingLine, type WaitOptions } from './waiting-line.ts'

export interface GateOptions {
  /** How many executions may be inside at a time. */
  capacity: number
  /** How many runs may wait outside; one more is told at once that there is no capacity, so that its caller can go elsewhere. */
  waitingRuns: number
  clock: Clock
}

/** Lets at most `capacity` executions of a language run at a time, runs before scheduled executions. Scheduled ones wait as long as they like: the queue's prefetch bounds them. */
export class Gate {
  readonly #capacity: number
  readonly #waitingRuns: number
  readonly #line: WaitingLine<Disposable>
  #inside = 0
  #closed = false

  constructor({ capacity, waitingRuns, clock }: GateOptions) {
    this.#capacity = capacity
    this.#waitingRuns = waitingRuns
    this.#line = new WaitingLine(clock)
  }

  /**
   * Waits for its turn; dispose of what it resolves with to leave.
   * @throws AppError no_capacity (too many wait, or the deadline passed), shutting_down
   */
  enter(options: WaitOptions): Promise<Disposable> {
    if (this.#closed) return Promise.reject(new AppError('shutting_down'))
    if (this.#inside < this.#capacity) {
      this.#inside++
      return Promise.resolve(this.#pass())
    }
    if (options.priority === 'run' && this.#line.count('run') >= this.#waitingRuns) {
      return Promise.reject(new AppError('no_capacity'))
    }
    return this.#line.wait(options)
  }

  /** Lets nobody in any more; those inside stay. */
  close(): void {
    this.#closed = true
    this.#line.reject(new AppError('shutting_down'))
  }

  #pass(): Disposable {
    let used = false
    return {
      [Symbol.dispose]: () => {
        if (used) return
        used = true
        if (!this.#line.serve(this.#pass())) this.#inside--
      },
    }
  }
}
