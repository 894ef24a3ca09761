import { toError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Sandbox } from '../core/ports.ts'
import { type Clock, NOT_NEEDED } from '../core/time.ts'
import { LIVING_STATES, type PlaceState, PooledSandbox } from './sandbox.ts'

export interface PlacesOptions {
  language: string
  metrics: Metrics
  log: Log
  clock: Clock
  /** After this a sandbox that is being destroyed no longer counts. */
  destroyDeadlineMs: number
  /** A place became free. */
  onGone: () => void
}

type Counts = Record<(typeof LIVING_STATES)[number], number>

/** All places of one pool that are not gone: counts them by state, and ends each once. */
export class Places {
  readonly #options: PlacesOptions
  readonly #counts: Counts = { starting: 0, idle: 0, claimed: 0, ending: 0 }
  /** The oldest first: claims take the oldest, so that a busy pool rolls by itself. */
  #idle: PooledSandbox[] = []
  readonly #claimed = new Set<PooledSandbox>()
  readonly #ends = new Map<PooledSandbox, Promise<void>>()

  constructor(options: PlacesOptions) {
    const { metrics, language } = options
    this.#options = options
    for (const state of LIVING_STATES) metrics.set('runlet_sandboxes', { language, state }, 0)
  }

  get counts(): Readonly<Counts> {
    return this.#counts
  }

  /** All that are not gone. */
  get living(): number {
    const { starting, idle, claimed, ending } = this.#counts
    return starting + idle + claimed + ending
  }

  get idle(): readonly PooledSandbox[] {
    return this.#idle
  }

  open(): PooledSandbox {
    return new PooledSandbox(this.#options.clock.monotonic(), (from, to) => this.#count(from, to))
  }

  /** Its sandbox is ready. */
  welcome(place: PooledSandbox, sandbox: Sandbox): void {
    place.enterIdle(sandbox, this.#options.clock.monotonic())
    this.#idle.push(place)
  }

  /** Claims the oldest idle one, if there is one. */
  take(): PooledSandbox | undefined {
    const place = this.#idle.shift()
    place?.enterClaimed()
    if (place) this.#claimed.add(place)
    return place
  }

  /** Destroys the sandbox of an idle or claimed place; the same promise when it is called again. Never rejects. */
  end(place: PooledSandbox): Promise<void> {
    return this.#ends.get(place) ?? (place.state === 'gone' ? Promise.resolve() : this.#begin(place))
  }

  endClaimed(): void {
    for (const place of this.#claimed) void this.end(place)
  }

  /** Resolves when nothing is being destroyed. */
  async settle(): Promise<void> {
    while (this.#ends.size > 0) await Promise.all(this.#ends.values())
  }

  /** Destroys a sandbox, and gives up on that after a while. Never rejects. */
  async destroy(sandbox: Sandbox): Promise<void> {
    const { clock, log, destroyDeadlineMs } = this.#options
    const done = new AbortController()
    const expiry = clock.sleep(destroyDeadlineMs, done.signal).then(
      () => Promise.reject(new Error(`It was not destroyed within ${destroyDeadlineMs} ms`)),
      () => {},
    )
    try {
      await Promise.race([sandbox.destroy(), expiry])
    } catch (thrown) {
      log.error({ sandbox: sandbox.name, error: toError(thrown) }, 'A sandbox could not be destroyed')
    } finally {
      done.abort(NOT_NEEDED)
    }
  }

  #begin(place: PooledSandbox): Promise<void> {
    if (place.state === 'idle') this.#idle = this.#idle.filter((other) => other !== place)
    place.enterEnding()
    this.#claimed.delete(place)
    const end = this.destroy(place.sandbox).then(() => {
      this.#ends.delete(place)
      place.enterGone()
      this.#options.onGone()
    })
    this.#ends.set(place, end)
    return end
  }

  #count(from: PlaceState | undefined, to: PlaceState): void {
    if (from !== undefined) this.#change(from, -1)
    this.#change(to, 1)
  }

  #change(state: PlaceState, by: number): void {
    if (state === 'gone') return
    this.#counts[state] += by
    this.#options.metrics.set('runlet_sandboxes', { language: this.#options.language, state }, this.#counts[state])
  }
}
