import type { ChannelModel, ConsumeMessage } from 'amqplib'
import { toError } from '../core/errors.ts'
import type { Envelope } from '../core/execution.ts'
import type { Log } from '../core/log.ts'
import type { Consumer, Delivery, DeliveryHandler, QueueDepth, QueueDepths } from '../core/ports.ts'
import { CallersClock } from './callers-clock.ts'
import type { BrokerSettings } from './config.ts'
import { type Broker, connectBroker, type Restart } from './connection.ts'
import { Depths } from './depths.ts'
import { DurableSender } from './durable-sender.ts'
import { encode, replyAddress, wasDelivered } from './messages.ts'
import { Parking } from './parking.ts'
import { ReplySender } from './reply-sender.ts'
import { Subscription, type SubscriptionOptions } from './subscription.ts'
import { Tickets } from './tickets.ts'
import { assertTopology, describeTopology, type Names, namesOf } from './topology.ts'

/** Recording an end is one write, so few at a time empty the queue quickly and leave the API server alone. */
const DEAD_LETTER_CAPACITY = 10

/** Both connections break with the broker and come back within seconds of each other. */
const REPLIES_WAIT_MS = 3_000

const REQUEUE_DELAY_MS = 1_000

/** A run's caller waits, and its queue gives it up soon anyway. */
const RUN_REQUEUE_DELAY_MS = 50

export interface ConsumerOptions {
  settings: BrokerSettings
  log: Log
  /** How the connections are called in RabbitMQ's lists. */
  name?: string
}

/**
 * The runner's end of the queue. Start it with `connectConsumer`. Replies have a connection of their own: RabbitMQ stops reading from a connection that
 * publishes when it is short of memory, and acknowledgements, which would free it, must still get through.
 */
export class RabbitConsumer implements Consumer, QueueDepths, AsyncDisposable {
  readonly #options: ConsumerOptions
  readonly #names: Names
  readonly #replies: ReplySender
  readonly #durable: DurableSender
  readonly #parking: Parking
  readonly #tickets: Tickets
  readonly #depths: Depths
  readonly #onDone = ({ caller }: Envelope) => {
    if (caller !== undefined) this.#tickets.release(caller)
  }
  readonly #subscriptions = new Map<string, Subscription>()
  readonly #languages = new Set<string>()
  readonly #clock = new CallersClock()
  readonly #brokers = new AsyncDisposableStack()
  #broker: Broker | undefined
  #session: { model: ChannelModel; restart: Restart } | undefined

  constructor(options: ConsumerOptions) {
    this.#options = options
    this.#names = namesOf(options.settings.QUEUE_PREFIX)
    this.#replies = new ReplySender(this.#names.work, options.log)
    this.#durable = new DurableSender(this.#names.work, options.log)
    this.#parking = new Parking(this.#names, { replies: this.#replies, durable: this.#durable }, options.log)
    this.#tickets = new Tickets(this.#names, options.log)
    this.#depths = new Depths(this.#names)
  }

  /** For readiness. */
  get connected(): boolean {
    return this.#broker?.connected ?? false
  }

  /** Called by `connectConsumer` only. */
  async start(): Promise<void> {
    const { settings, log, name = 'runlet-runner' } = this.#options
    const replies = await connectBroker({
      url: settings.AMQP_URL,
      name: `${name} replies`,
      log: log.child({ connection: 'replies' }),
      setup: (model, restart) => this.#setUpReplies(model, restart),
      onDown: () => {
        this.#replies.lost()
        this.#durable.lost()
        this.#parking.lost()
      },
    })
    this.#brokers.use(replies)
    this.#brokers.defer(() => this.#parking.stop())
    this.#broker = await connectBroker({
      url: settings.AMQP_URL,
      name,
      log,
      setup: (model, restart) => this.#setUp(model, restart),
      onDown: () => this.#tearDown(),
    })
    this.#brokers.use(this.#broker)
  }

  /**
   * Returns without the broker: what is asked for here happens at the next connect. Each kind (scheduled, run) has `capacity` of its own. When that is made
   * smaller, what the broker had sent already is still handed out.
   */
  async consume(language: string, capacity: number, handler: DeliveryHandler): Promise<void> {
    const toDelivery = (envelope: Envelope, message: ConsumeMessage) =>
      this.#toDelivery(envelope, message, wasDelivered(message.fields.redelivered, message.properties))
    const shared = {
      language,
      invalid: 'dead-letter',
      parking: this.#parking,
      toDelivery,
      onDone: this.#onDone,
    } as const
    const kinds = [
      { ...shared, queue: this.#names.executions(language), requeueDelayMs: REQUEUE_DELAY_MS },
      { ...shared, queue: this.#names.runs(language), requeueDelayMs: RUN_REQUEUE_DELAY_MS },
    ]
    await this.#subscribe(kinds, [language], capacity, handler)
  }

  /** What cannot be read is acknowledged here: there is no further queue to put it into, and the log has it. */
  async consumeDeadLetters(handler: DeliveryHandler): Promise<void> {
    const deadLetters = {
      queue: this.#names.deadLetters,
      requeueDelayMs: REQUEUE_DELAY_MS,
      invalid: 'ack',
      parking: this.#parking,
      toDelivery: (envelope: Envelope, message: ConsumeMessage) => this.#toDeadLetter(envelope, message),
      onDone: this.#onDone,
    } as const
    await this.#subscribe([deadLetters], [], DEAD_LETTER_CAPACITY, handler)
  }

  async depths(languages: readonly string[]): Promise<QueueDepth[]> {
    return await this.#depths.read(languages)
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#subscriptions.values()].map((subscription) => subscription.stop()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    await this.#brokers.disposeAsync()
    this.#tearDown()
  }

  async #subscribe(
    wanted: readonly Omit<SubscriptionOptions, 'log'>[],
    languages: readonly string[],
    capacity: number,
    handler: DeliveryHandler,
  ): Promise<void> {
    for (const language of languages) this.#languages.add(language)
    const session = this.#session
    const created: Subscription[] = []
    const subscriptions = wanted.map((options) => {
      const existing = this.#subscriptions.get(options.queue)
      if (existing !== undefined) return existing
      const subscription = new Subscription({ ...options, log: this.#options.log })
      this.#subscriptions.set(options.queue, subscription)
      created.push(subscription)
      return subscription
    })
    try {
      await Promise.all(subscriptions.map((subscription) => subscription.resize(capacity, handler)))
      if (session === undefined || created.length === 0) return
      await this.#declare(session.model, languages)
      await Promise.all(created.map((subscription) => subscription.open(session.model, session.restart)))
    } catch (thrown: unknown) {
      const queues = wanted.map(({ queue }) => queue).join(' and ')
      session?.restart(`${queues} could not be consumed: ${toError(thrown).message}`)
    }
  }

  /** What publishes: what is put aside for a newer runner, or scheduled anew, goes the same way as replies. */
  async #setUpReplies(model: ChannelModel, restart: Restart): Promise<void> {
    await this.#replies.open(model, restart)
    await this.#declare(model, [])
    this.#durable.open(model)
    this.#parking.open(model)
  }

  async #setUp(model: ChannelModel, restart: Restart): Promise<void> {
    // A run that is taken before its reply can be sent keeps its caller waiting for nothing.
    if (!(await this.#replies.ready(REPLIES_WAIT_MS))) throw new Error('The connection for replies is not there yet')
    // Before anything else is awaited: who subscribes from now on opens on this connection, the others are opened here.
    this.#session = { model, restart }
    this.#depths.open(model)
    this.#tickets.open(model)
    const subscriptions = [...this.#subscriptions.values()]
    await this.#declare(model, this.#languages)
    await Promise.all(subscriptions.map((subscription) => subscription.open(model, restart)))
  }

  async #declare(model: ChannelModel, languages: Iterable<string>): Promise<void> {
    const { settings, log } = this.#options
    await assertTopology(() => model.createChannel(), describeTopology(settings, languages), log)
  }

  #tearDown(): void {
    this.#session = undefined
    this.#depths.lost()
    this.#tickets.lost()
    for (const subscription of this.#subscriptions.values()) subscription.lost()
  }

  #toDeadLetter(envelope: Envelope, message: ConsumeMessage): Delivery {
    const delivery = this.#toDelivery(envelope, message, true)
    if (delivery.reply === undefined) return delivery
    const queue = this.#names.executions(envelope.program.language)
    const reschedule = async () => (await this.#durable.send(queue, encode(envelope), envelope.id)) === 'confirmed'
    return { ...delivery, reschedule }
  }

  #toDelivery(envelope: Envelope, message: ConsumeMessage, redelivered: boolean): Delivery {
    const address = replyAddress(message.properties, this.#names.replies(''))
    if (address === undefined) return { envelope, redelivered }
    const reply: Delivery['reply'] = (said) => this.#replies.send(address.replyTo, said)
    if (!this.#clock.isBehind(envelope.acceptedAt))
      return { envelope, redelivered, reply, replyBefore: address.replyBefore }
    this.#options.log.debug({ id: envelope.id }, 'The clock of this runner is behind: nobody is taken to wait')
    return { envelope, redelivered, reply }
  }
}

/** Starts the consumer; returns at once, also when the broker is down. Dispose of it after `stop` and when the handlers are done. */
export async function connectConsumer(options: ConsumerOptions): Promise<RabbitConsumer> {
  const consumer = new RabbitConsumer(options)
  await consumer.start()
  return consumer
}
