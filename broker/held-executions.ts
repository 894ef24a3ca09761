import { systemClock } from '../core/time.ts'
import type { Depths } from './depths.ts'

/** Between two looks at the queues. A backlog that comes and goes between two of them is younger than any retention time. */
const LOOK_MS = 5_000
const FRESH_MS = 1_000

/** Dead letters, and what is parked for a newer runner. */
const QUEUES_OF_ALL = 2

/** How long an attempt may be with a runner: 15 minutes until a sandbox is there, then the longest program. */
const ATTEMPT_MS = 1_000_000

export interface HeldExecutionsOptions {
  depths: Pick<Depths, 'read'>
  languages: readonly string[]
  /** Times that an execution may be handed out. */
  attempts: number
  now?: () => number
}

/**
 * Whether executions may be on their way of which nothing is recorded. No queue can be asked for an id, so the answer is for all: as long as anything waits, and
 * after that for as long as what was handed out last may take. Wrong in one direction only: one that is gone may be said to be on its way.
 */
export class HeldExecutions implements AsyncDisposable {
  readonly #options: HeldExecutionsOptions
  readonly #now: () => number
  readonly #stopping = new AbortController()
  #lookedAt = Number.NEGATIVE_INFINITY
  #looking: Promise<void> | undefined
  /** Nobody knows what was before the start. */
  #heldAt: number
  readonly #watching: Promise<void>

  constructor(options: HeldExecutionsOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.#heldAt = this.#now()
    this.#watching = this.#watch()
  }

  async any(): Promise<boolean> {
    if (this.#now() - this.#lookedAt >= FRESH_MS) await this.#look()
    return this.#now() - this.#heldAt < this.#options.attempts * ATTEMPT_MS
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    await this.#watching
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      await systemClock.sleep(LOOK_MS, signal).catch(() => undefined)
      if (!signal.aborted) await this.#look()
    }
  }

  async #look(): Promise<void> {
    this.#looking ??= this.#read().finally(() => {
      this.#looking = undefined
    })
    await this.#looking
  }

  /** A queue of which nothing is known may hold something. */
  async #read(): Promise<void> {
    const { depths, languages } = this.#options
    const seen = (await depths.read(languages)).filter(({ queue }) => queue !== 'runs')
    const isEmpty = seen.length === languages.length + QUEUES_OF_ALL && seen.every(({ messages }) => messages === 0)
    this.#lookedAt = this.#now()
    if (!isEmpty) this.#heldAt = this.#lookedAt
  }
}
