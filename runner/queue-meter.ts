import { toError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Delivery, QueueDepth, QueueDepths } from '../core/ports.ts'
import type { Clock } from '../core/time.ts'
import type { Capacity } from './claim.ts'

export interface QueueMeterOptions {
  languages: readonly string[]
  depths: QueueDepths
  capacity: (language: string) => Pick<Capacity, 'waiting' | 'max'>
  metrics: Metrics
  log: Log
  clock: Clock
}

/** Faster than anybody scrapes, and for each language two questions that the broker answers from memory. */
const INTERVAL_MS = 5_000

/**
 * Measures the queues from where they are emptied. A message that waits can't be looked at without taking it; but queues are first in, first out, so the oldest one
 * was accepted after the one that was delivered last, and after the queue was last seen empty. The later of the two is the age that it can have at most.
 */
export class QueueMeter implements AsyncDisposable {
  readonly #options: QueueMeterOptions
  /** Unix milliseconds after which the oldest message of a queue must have been accepted. */
  readonly #since = new Map<string, number>()
  readonly #stop = new AbortController()
  readonly #done: Promise<void>

  /** Runs until it is disposed of. */
  constructor(options: QueueMeterOptions) {
    this.#options = options
    this.#done = this.#follow()
  }

  /** A delivery has come in. */
  seen({ envelope, redelivered, replyBefore }: Delivery): void {
    const { metrics, clock } = this.#options
    const { language } = envelope.program
    const queue = replyBefore === undefined ? 'executions' : 'runs'
    if (redelivered) {
      metrics.add('runlet_redeliveries_total', { language })
      return
    }
    metrics.observe('runlet_queue_seconds', { language, queue }, Math.max(0, clock.now() - envelope.acceptedAt) / 1000)
    const key = `${language} ${queue}`
    this.#since.set(key, Math.max(this.#since.get(key) ?? 0, envelope.acceptedAt))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#done
  }

  async #follow(): Promise<void> {
    const { clock, depths, languages, log } = this.#options
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        for (const depth of await depths.depths(languages)) this.#tell(depth)
      } catch (thrown) {
        log.debug({ error: toError(thrown).message }, 'The queues could not be measured')
      }
      for (const language of languages) this.#tellPool(language)
      await clock.sleep(INTERVAL_MS, signal).catch(() => {})
    }
  }

  #tell({ language, queue, messages }: QueueDepth): void {
    const { metrics, clock } = this.#options
    const now = clock.now()
    const key = `${language} ${queue}`
    // Seen for the first time with something in it: how long that has been there is not known.
    const since = (messages > 0 && this.#since.get(key)) || now
    this.#since.set(key, since)
    metrics.set('runlet_queue_messages', { language, queue }, messages)
    metrics.set('runlet_queue_age_seconds', { language, queue }, Math.max(0, now - since) / 1000)
  }

  #tellPool(language: string): void {
    const { metrics, capacity } = this.#options
    const { waiting, max } = capacity(language)
    metrics.set('runlet_pool_waiting', { language }, waiting)
    metrics.set('runlet_pool_max', { language }, max)
  }
}
