import type { Clock } from '../core/time.ts'

export interface LookaheadOptions {
  /** Deliveries are added and given up so many at a time. */
  step: number
  /** At most. */
  most: number
  clock: Clock
  /** Told when it has changed. */
  onChange: (ahead: number) => void
}

/** A bigger need holds as long as one or two of these: the records of a group are all written in the same moment, and the next ones come soon. */
const WINDOW_MS = 5_000

/**
 * How many deliveries are taken beyond those that may run at a time. Where records are written in groups, many that have run wait for theirs and need no sandbox any
 * more; without others in their place the sandboxes would stand idle. Where programs are slow few wait like that, and taking more would keep them from runners that
 * have a sandbox for them. So it is what waited at the same time, lately, rounded up to the next step.
 */
export class Lookahead {
  readonly #options: LookaheadOptions
  #lingering = 0
  #ahead: number
  #window: { since: number; most: number }
  #mostBefore = 0

  constructor(options: LookaheadOptions) {
    this.#options = options
    this.#ahead = this.#room(0)
    this.#window = { since: options.clock.monotonic(), most: 0 }
  }

  get ahead(): number {
    return this.#ahead
  }

  /** A delivery has run and waits for its record; dispose of what is given when that is written. */
  linger(): Disposable {
    this.#lingering++
    this.#roll()
    this.#window.most = Math.max(this.#window.most, this.#lingering)
    this.#change(this.#room(Math.max(this.#window.most, this.#mostBefore)))
    return { [Symbol.dispose]: () => this.#lingering-- }
  }

  #roll(): void {
    const now = this.#options.clock.monotonic()
    const windows = Math.floor((now - this.#window.since) / WINDOW_MS)
    if (windows === 0) return
    this.#mostBefore = windows === 1 ? this.#window.most : 0
    this.#window = { since: this.#window.since + windows * WINDOW_MS, most: 0 }
  }

  /** More than what lingers, by one at least. */
  #room(lingering: number): number {
    const { step, most } = this.#options
    return Math.min(most, (Math.floor(lingering / step) + 1) * step)
  }

  #change(ahead: number): void {
    if (ahead === this.#ahead) return
    this.#ahead = ahead
    this.#options.onChange(ahead)
  }
}
