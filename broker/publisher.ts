import type { ChannelModel } from 'amqplib'
import { AppError } from '../core/errors.ts'
import type { Envelope } from '../core/execution.ts'
import type { Log } from '../core/log.ts'
import type { Publisher } from '../core/ports.ts'
import type { BrokerSettings } from './config.ts'
import { ConfirmedChannel, type Outcome } from './confirmed-channel.ts'
import { type Broker, connectBroker, type Restart } from './connection.ts'
import { Current } from './current.ts'
import { Depths } from './depths.ts'
import { HeldExecutions } from './held-executions.ts'
import { adoptedProperties, encode, runProperties, scheduleProperties } from './messages.ts'
import { MissingQueues } from './missing-queues.ts'
import { PendingRuns, type RunAnswer } from './pending-runs.ts'
import { openReplyQueue } from './reply-queue.ts'
import { RunWatch } from './run-watch.ts'
import { Tickets } from './tickets.ts'
import { assertTopology, describeTopology, type Names, namesOf } from './topology.ts'

/** How long a broker that is away or silent is waited for: a caller must have its 503 within 2 s. */
const PATIENCE_MS = 1_500

export interface PublisherOptions {
  settings: BrokerSettings
  /** Canonical names; their queues are declared at every connect. */
  languages: readonly string[]
  log: Log
  /** How long records are kept, in milliseconds (no end when it is missing): whether an execution has ended can't be found out later than that. */
  retentionMs?: number
  /** How the connection is called in RabbitMQ's lists. */
  name?: string
}

/** What exists as long as one connection does. */
interface Session {
  model: ChannelModel
  scheduled: ConfirmedChannel
  runs: ConfirmedChannel
  replyQueue: string
}

/**
 * The api's end of the queue. Start it with `connectPublisher`; disposing of it fails the runs that still wait with `shutting_down` and closes the connection.
 */
export class RabbitPublisher implements Publisher, AsyncDisposable {
  readonly #options: PublisherOptions
  readonly #names: Names
  readonly #pending = new PendingRuns()
  readonly #tickets: Tickets
  readonly #depths: Depths
  readonly #runWatch: RunWatch
  readonly #held: HeldExecutions
  readonly #disposing = new AbortController()
  readonly #missing: MissingQueues
  #broker: Broker | undefined
  readonly #session = new Current<Session>()

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#names = namesOf(options.settings.QUEUE_PREFIX)
    const { settings, log } = options
    this.#missing = new MissingQueues({ settings, log, signal: this.#disposing.signal })
    this.#tickets = new Tickets(this.#names, log)
    this.#depths = new Depths(this.#names)
    this.#runWatch = new RunWatch(this.#names, this.#depths)
    const attempts = settings.DELIVERY_LIMIT + 1
    this.#held = new HeldExecutions({ depths: this.#depths, languages: options.languages, attempts })
  }

  /** For readiness. */
  get connected(): boolean {
    return this.#broker?.connected ?? false
  }

  /** Called by `connectPublisher` only. */
  async start(): Promise<void> {
    const { settings, log, name } = this.#options
    this.#broker = await connectBroker({
      url: settings.AMQP_URL,
      name: name ?? 'runlet-api',
      log,
      setup: (model, restart) => this.#setUp(model, restart),
      onDown: () => this.#tearDown(),
    })
  }

  /**
   * Hands over an execution that must not be lost. A publish whose connection broke before its confirm is repeated once with the same id and a mark, so
   * that the consumer looks for a record first. An error does not prove that the execution will not run: the broker may have it without us knowing.
   * @throws AppError queue_full; too_many_outstanding; queue_unavailable, within 2 s
   */
  async schedule(envelope: Envelope, maxOutstanding?: number): Promise<void> {
    const { caller } = envelope
    const deadline = performance.now() + PATIENCE_MS
    if (caller === undefined || maxOutstanding === undefined) return await this.#schedule(envelope, deadline)
    const { scheduled } = await this.#connectedSession(deadline)
    await this.#tickets.reserve(caller, maxOutstanding)
    // On the same channel and before the execution: it is there when a runner takes it away. Nobody waits for its confirm.
    const ticket = { messageId: `${envelope.id}.ticket`, persistent: true }
    void scheduled.publish(this.#tickets.queueOf(caller), Buffer.alloc(0), ticket)
    try {
      await this.#schedule(envelope, deadline)
    } catch (thrown: unknown) {
      this.#tickets.release(caller)
      throw thrown
    }
  }

  async #schedule(envelope: Envelope, deadline: number): Promise<void> {
    const content = encode(envelope)
    const queue = this.#names.executions(envelope.program.language)
    let repeated = false
    for (;;) {
      const session = await this.#connectedSession(deadline)
      const properties = scheduleProperties(envelope.id, repeated)
      const outcome = await session.scheduled.publish(queue, content, properties)
      if (outcome === 'confirmed') return
      if (outcome !== 'broken' || repeated) throw this.#failure(outcome, envelope, session)
      repeated = true
    }
  }

  /**
   * Hands over an execution and waits for its end; undefined when it outlasts `waitMs` and has been adopted: the broker has it on disk then, and it is run anew
   * when it does not end. When the connection breaks meanwhile this replica's reply queue is gone with it, so the wait ends at once with queue_unavailable: the
   * execution may still run and be recorded under its id.
   * @throws AppError overloaded; queue_full; queue_unavailable; what the runner replied
   */
  async run(envelope: Envelope, waitMs: number): Promise<RunAnswer> {
    return await this.#runWatch.admit(envelope.program.language, waitMs, () => this.#run(envelope, waitMs))
  }

  /** Whether an execution of which nothing is recorded may still be on its way. */
  async mayStillRun(_id: string): Promise<boolean> {
    return await this.#held.any()
  }

  async #run(envelope: Envelope, waitMs: number): Promise<RunAnswer> {
    const replyBefore = Date.now() + waitMs
    const session = await this.#connectedSession(performance.now() + Math.min(PATIENCE_MS, waitMs))
    const properties = runProperties(envelope.id, session.replyQueue, replyBefore)
    const answer = this.#pending.wait(envelope.id, replyBefore - Date.now())
    const outcome = session.runs.publish(this.#names.runs(envelope.program.language), encode(envelope), properties)
    // A reply that overtakes its confirm wins: the wait is over then, and failing it does nothing.
    void outcome.then((seen) => {
      if (seen !== 'confirmed') this.#pending.fail(envelope.id, this.#failure(seen, envelope, session))
    })
    return (await answer) ?? (await this.#adopt(envelope, session))
  }

  async #adopt(envelope: Envelope, session: Session): Promise<undefined> {
    const { id, program } = envelope
    const { settings, retentionMs = Number.POSITIVE_INFINITY } = this.#options
    const lookAfterMs = Math.min(program.limits.wallTimeMs + settings.RUN_ADOPTED_MARGIN_MS, retentionMs)
    const properties = adoptedProperties(id, session.replyQueue, lookAfterMs)
    const outcome = await session.scheduled.publish(this.#names.adopted, encode(envelope), properties)
    if (outcome !== 'confirmed') throw this.#failure(outcome, envelope, session)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposing.abort()
    this.#pending.failAll('shutting_down')
    await this.#held[Symbol.asyncDispose]()
    await this.#broker?.[Symbol.asyncDispose]()
    this.#tearDown()
  }

  async #setUp(model: ChannelModel, restart: Restart): Promise<void> {
    const { settings, languages, log } = this.#options
    await assertTopology(() => model.createChannel(), describeTopology(settings, languages), log)
    const [scheduled, runs] = await Promise.all([model.createConfirmChannel(), model.createConfirmChannel()])
    for (const channel of [scheduled, runs]) {
      channel.on('error', (error) =>
        log.warn({ reason: error.message }, 'The broker closed a channel of the publisher'),
      )
      channel.on('close', () => restart('a channel of the publisher was closed'))
    }
    const listening = { names: this.#names, pending: this.#pending, log, restart }
    const replyQueue = await openReplyQueue(runs, listening)
    this.#tickets.open(model)
    this.#depths.open(model)
    this.#session.set({
      model,
      scheduled: new ConfirmedChannel(scheduled, this.#names.work, PATIENCE_MS),
      runs: new ConfirmedChannel(runs, this.#names.work, PATIENCE_MS),
      replyQueue,
    })
  }

  #tearDown(): void {
    this.#session.clear()
    this.#tickets.lost()
    this.#depths.lost()
    this.#pending.failAll('queue_unavailable', 'The connection to the queue broke; the execution may still be recorded')
  }

  async #connectedSession(deadline: number): Promise<Session> {
    const session = await this.#session.within(deadline - performance.now())
    if (session === undefined) throw new AppError('queue_unavailable')
    if (this.#broker?.blocked) throw new AppError('queue_unavailable', 'The queue takes nothing for now')
    return session
  }

  #failure(outcome: Exclude<Outcome, 'confirmed'>, envelope: Envelope, session: Session): AppError {
    if (outcome === 'refused') return new AppError('queue_full')
    if (outcome !== 'unroutable') return new AppError('queue_unavailable', undefined, { cause: new Error(outcome) })
    const { language } = envelope.program
    this.#missing.declare(language, session.model)
    return new AppError('queue_unavailable', `The queue for ${language} is missing and is made again`)
  }
}

/** Starts the publisher; returns at once, also when the broker is down: `connected` tells, and calls fail with queue_unavailable until it is up. */
export async function connectPublisher(options: PublisherOptions): Promise<RabbitPublisher> {
  const publisher = new RabbitPublisher(options)
  await publisher.start()
  return publisher
}
