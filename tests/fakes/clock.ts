import type { Clock } from '../../core/time.ts'

interface Sleeper {
  at: number
  wake(): void
}

/** Lets everything that is ready run: promises, and what they lead to. */
export const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Time that moves only when a test says so. */
export class FakeClock implements Clock {
  readonly #sleepers = new Set<Sleeper>()
  readonly #start: number
  #elapsed = 0

  constructor(start = 1_800_000_000_000) {
    this.#start = start
  }

  now = () => this.#start + this.#elapsed
  monotonic = () => this.#elapsed

  /** How many sleep: a test that leaves some behind leaves timers behind. */
  get sleeping(): number {
    return this.#sleepers.size
  }

  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const sleeper = { at: this.#elapsed + milliseconds, wake: resolve }
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', () => this.#sleepers.delete(sleeper) && reject(signal.reason), { once: true })
    })
  }

  /** Moves on, waking sleepers in order and letting each do what it woke up for. */
  async advance(milliseconds: number): Promise<void> {
    await settled()
    const end = this.#elapsed + milliseconds
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#elapsed = Math.max(this.#elapsed, next.at)
      this.#sleepers.delete(next)
      next.wake()
      await settled()
    }
    this.#elapsed = end
    await settled()
  }

  #next(end: number): Sleeper | undefined {
    const due = [...this.#sleepers].filter((sleeper) => sleeper.at <= end)
    return due.sort((a, b) => a.at - b.at)[0]
  }
}
