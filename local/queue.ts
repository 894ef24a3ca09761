import { AppError } from '../core/errors.ts'
import type { Envelope } from '../core/execution.ts'
import type { Consumer, DeliveryHandler, Publisher, QueueDepth, QueueDepths } from '../core/ports.ts'
import { type RunAnswer, RunLane } from './run-lane.ts'
import { ScheduledQueue, type ScheduledQueueOptions } from './scheduled-queue.ts'

export interface LocalQueueOptions extends ScheduledQueueOptions {
  /** Runs of one language that may wait for a free sandbox. */
  maxWaitingRuns: number
}

/** ExecutionQueue of the embedded mode: scheduled executions in a file (scheduled-queue.ts), runs in memory (run-lane.ts). */
export class LocalQueue implements Publisher, Consumer, QueueDepths, AsyncDisposable {
  readonly #options: LocalQueueOptions
  readonly #scheduled: ScheduledQueue
  readonly #runs = new Map<string, RunLane>()
  #stopped = false

  constructor(options: LocalQueueOptions) {
    this.#options = options
    this.#scheduled = new ScheduledQueue(options)
  }

  /** @throws AppError queue_full, too_many_outstanding, queue_unavailable */
  async schedule(envelope: Envelope, maxOutstanding?: number): Promise<void> {
    await this.#scheduled.schedule(envelope, maxOutstanding)
  }

  /**
   * Resolves with undefined when the run outlasts `waitMs`; it goes on, and is kept like a scheduled execution from then on.
   * @throws AppError overloaded when its turn would come too late, no_capacity when too many wait or none became free in time, shutting_down, or what the runner replied
   */
  async run(envelope: Envelope, waitMs: number): Promise<RunAnswer | undefined> {
    if (this.#stopped) throw new AppError('shutting_down')
    const { clock } = this.#options
    const run = this.#lane(envelope.program.language).run(envelope, clock.now() + waitMs, waitMs)
    const done = new AbortController()
    clock.sleep(waitMs, done.signal).then(run.expire, () => {})
    try {
      return await run.answer
    } finally {
      done.abort()
    }
  }

  async mayStillRun(id: string): Promise<boolean> {
    return this.#scheduled.holds(id)
  }

  async consume(language: string, capacity: number, handler: DeliveryHandler): Promise<void> {
    this.#lane(language).consume(capacity, handler)
    this.#scheduled.consume(language, capacity, handler)
  }

  async consumeDeadLetters(handler: DeliveryHandler): Promise<void> {
    this.#scheduled.consumeDeadLetters(handler)
  }

  async depths(languages: readonly string[]): Promise<QueueDepth[]> {
    return languages.flatMap((language) => [
      { language, queue: 'executions', messages: this.#scheduled.waiting(language) },
      { language, queue: 'runs', messages: this.#lane(language).waiting },
    ])
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#scheduled.stop()
    for (const lane of this.#runs.values()) lane.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    await this.#scheduled[Symbol.asyncDispose]()
  }

  #lane(language: string): RunLane {
    const { maxWaitingRuns, deliveryLimit, clock } = this.#options
    const lane =
      this.#runs.get(language) ??
      new RunLane({ maxWaiting: maxWaitingRuns, deliveryLimit, adopter: this.#scheduled, now: clock.monotonic })
    this.#runs.set(language, lane)
    return lane
  }
}
