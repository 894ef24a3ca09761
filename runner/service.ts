import type { Log } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Consumer, Delivery, DeliveryHandler, QueueDepths, Recorder, SandboxProvider } from '../core/ports.ts'
import { type Clock, NOT_NEEDED } from '../core/time.ts'
import type { Capacity, PoolSize } from './claim.ts'
import { ExecutionConsumer } from './consumer.ts'
import { createDeadLetterHandler } from './dead-letters.ts'
import { Gate } from './gate.ts'
import { Lookahead } from './lookahead.ts'
import { Pool } from './pool.ts'
import { QueueMeter } from './queue-meter.ts'
import { DEFAULT_SETTINGS, type RunnerSettings } from './settings.ts'
import type { HeldEvent } from './start-health.ts'

export interface RunnerOptions {
  consumer: Consumer & QueueDepths
  provider: SandboxProvider
  recorder: Recorder
  /** By canonical name: how many sandboxes are kept warm, and how many may live at a time. */
  languages: Readonly<Record<string, PoolSize>>
  metrics: Metrics
  log: Log
  clock: Clock
  /** What differs from DEFAULT_SETTINGS. */
  settings?: Partial<RunnerSettings>
  /** Told when starting sandboxes fails and when it works again. */
  notify?: (event: HeldEvent) => void
}

/** After the last sandbox was ended by force, what ran in it still has its verdict to give: a requeue, or a record in its last attempt. */
const LAST_WORD_MS = 5_000

/**
 * A runner that takes executions, runs them and records them. Disposing of it drains it: nothing new is taken, those who wait go back to the queue, what
 * runs may end within `drainMs` and is recorded and acknowledged, idle sandboxes are ended, then whatever is left. The consumer stays the caller's to close.
 */
export class Runner implements AsyncDisposable {
  readonly #options: RunnerOptions
  readonly #settings: RunnerSettings
  readonly #pool: Pool
  readonly #gates: ReadonlyMap<string, Gate>
  readonly #meter: QueueMeter
  readonly #inFlight = new Set<Promise<unknown>>()
  readonly #over = new AbortController()
  #drained: Promise<void> | undefined

  constructor(options: RunnerOptions) {
    const { languages, provider, metrics, log, clock, notify } = options
    const settings = { ...DEFAULT_SETTINGS, ...options.settings }
    this.#options = options
    this.#settings = settings
    this.#pool = new Pool(languages, { provider, metrics, log, clock, settings, notify })
    const capacity = (language: string) => this.#pool.capacity(language)
    this.#meter = new QueueMeter({
      ...{ languages: Object.keys(languages), depths: options.consumer, capacity, metrics, log, clock },
    })
    this.#gates = new Map(
      Object.entries(languages).map(([language, size]) => [language, createGate(size, settings, clock)]),
    )
  }

  /** Called by startRunner only. */
  async start(): Promise<void> {
    const { consumer, recorder, languages, metrics, log, clock } = this.#options
    const settings = this.#settings
    const { recordRetryMs } = settings
    const dependencies = { recorder, metrics, log, clock, settings, recordRetryMs }
    const lookaheads = new Map<string, Lookahead>()
    const { handle } = new ExecutionConsumer({
      ...dependencies,
      ...{ pool: this.#pool, gates: this.#gates, lookaheads, over: this.#over.signal },
    })
    const handler = this.#tracked(this.#measured(handle))
    const deadLetters = createDeadLetterHandler(dependencies)
    const consuming = Object.entries(languages).map(([language, { max, ahead: most = 0 }]) => {
      const take = (ahead: number) => consumer.consume(language, max + ahead, handler)
      const onChange = (ahead: number) => {
        log.debug({ language, ahead }, 'The number of deliveries that are taken ahead has changed')
        if (this.#drained === undefined) void take(ahead)
      }
      const lookahead = new Lookahead({ step: max, most, clock, onChange })
      lookaheads.set(language, lookahead)
      return take(lookahead.ahead)
    })
    await Promise.all([...consuming, consumer.consumeDeadLetters(this.#tracked(deadLetters))])
  }

  /** @throws AppError internal for a language that it does not run */
  capacity(language: string): Capacity {
    return this.#pool.capacity(language)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#drained ??= this.#drain()
    await this.#drained
  }

  async #drain(): Promise<void> {
    const { consumer, log } = this.#options
    log.info({ inFlight: this.#inFlight.size }, 'The runner drains')
    await consumer.stop()
    await this.#meter[Symbol.asyncDispose]()
    for (const gate of this.#gates.values()) gate.close()
    // Idle sandboxes go at the same time: ending them is the cluster's work, and the executions have the whole of the drain time.
    const poolDrained = this.#pool.drain()
    if (!(await this.#quiet(this.#settings.drainMs))) {
      log.warn({ inFlight: this.#inFlight.size }, 'The drain time is over: what still runs goes back to the queue')
    }
    this.#over.abort(NOT_NEEDED)
    await Promise.all([poolDrained, this.#pool[Symbol.asyncDispose]()])
    await this.#quiet(LAST_WORD_MS)
    log.info({ inFlight: this.#inFlight.size }, 'The runner has drained')
  }

  /** Whether all that is in flight ended within this time. */
  async #quiet(milliseconds: number): Promise<boolean> {
    const enough = new AbortController()
    const expired = this.#options.clock.sleep(milliseconds, enough.signal).then(
      () => false,
      () => true,
    )
    const quiet = this.#settle().then(() => true)
    const inTime = await Promise.race([quiet, expired])
    enough.abort()
    return inTime
  }

  async #settle(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.allSettled(this.#inFlight)
  }

  #measured(handler: DeliveryHandler): DeliveryHandler {
    return (delivery: Delivery) => {
      this.#meter.seen(delivery)
      return handler(delivery)
    }
  }

  #tracked(handler: DeliveryHandler): DeliveryHandler {
    return (delivery: Delivery) => {
      const handling = handler(delivery)
      this.#inFlight.add(handling)
      return handling.finally(() => this.#inFlight.delete(handling))
    }
  }
}

/** Starts sandboxes and takes executions. */
export async function startRunner(options: RunnerOptions): Promise<Runner> {
  const runner = new Runner(options)
  await runner.start()
  return runner
}

function createGate({ max, ahead = 0 }: PoolSize, { waitingRunsFactor }: RunnerSettings, clock: Clock): Gate {
  return new Gate({ capacity: max, waitingRuns: (max + ahead) * waitingRunsFactor, clock })
}
