import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib'
import { toAppError } from '../core/errors.ts'
import type { Envelope } from '../core/execution.ts'
import type { Log } from '../core/log.ts'
import type { Delivery, DeliveryHandler, Verdict } from '../core/ports.ts'
import { systemClock } from '../core/time.ts'
import type { Restart } from './connection.ts'
import { type Decoded, decodeEnvelope } from './messages.ts'
import { Slots } from './slots.ts'
import { settle, verdictOn } from './verdict.ts'

export interface SubscriptionOptions {
  queue: string
  /** What an envelope of this queue must be for; undefined for any. */
  language?: string
  /**
   * How long a message is held before it is handed out again: what failed just now fails again now, and three attempts within a millisecond are one.
   * It holds its slot meanwhile.
   */
  requeueDelayMs: number
  /** What becomes of a message that is no envelope. */
  invalid: Verdict
  handler: DeliveryHandler
  toDelivery: (envelope: Envelope, message: ConsumeMessage) => Delivery
  log: Log
}

interface OpenChannel {
  channel: Channel
  restart: Restart
}

/** Takes from one queue, on a channel of its own, for as long as the process lives: `open` is called again for every new connection. */
export class Subscription {
  readonly #options: SubscriptionOptions
  readonly #slots = new Slots()
  readonly #running = new Map<string, Promise<Verdict>>()
  readonly #stopping = new AbortController()
  #handler: DeliveryHandler
  #open: OpenChannel | undefined
  #tags = 0

  constructor(options: SubscriptionOptions) {
    this.#options = options
    this.#handler = options.handler
  }

  async open(model: ChannelModel, restart: Restart): Promise<void> {
    const { log, queue } = this.#options
    this.#slots.retireAll()
    const channel = await model.createChannel()
    channel.on('error', (error) => log.warn({ queue, reason: error.message }, 'The broker closed a channel'))
    channel.on('close', () => {
      if (this.#open?.channel !== channel) return
      this.#open = undefined
      restart(`the channel of ${queue} was closed`)
    })
    this.#open = { channel, restart }
    await this.#grow()
  }

  /** The connection is gone, and the channel with it. */
  lost(): void {
    this.#open = undefined
    this.#slots.retireAll()
  }

  async resize(capacity: number, handler: DeliveryHandler): Promise<void> {
    if (this.#stopping.signal.aborted) return
    this.#handler = handler
    await this.#cancel(this.#slots.resize(capacity))
    await this.#grow()
  }

  /** Takes nothing new. What waits to be handed out again is handed out now. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#cancel(this.#slots.resize(0))
  }

  async #cancel(tags: string[]): Promise<void> {
    const channel = this.#open?.channel
    if (channel === undefined) return
    // On a channel that dies meanwhile they are cancelled as well.
    await Promise.all(tags.map((tag) => channel.cancel(tag).catch(() => undefined)))
  }

  async #grow(): Promise<void> {
    const { room } = this.#slots
    if (room === 0 || this.#open === undefined || this.#stopping.signal.aborted) return
    const { channel, restart } = this.#open
    const { queue } = this.#options
    const tag = `${queue}.${++this.#tags}`
    this.#slots.add(tag, room)
    const onMessage = (message: ConsumeMessage | null) => {
      if (message === null) restart(`the broker cancelled the consumer of ${queue}`)
      else void this.#take(channel, tag, message)
    }
    // Both are sent at once and in this order: the prefetch holds for the consumers that follow it.
    await Promise.all([channel.prefetch(room), channel.consume(queue, onMessage, { consumerTag: tag })])
  }

  async #take(channel: Channel, tag: string, message: ConsumeMessage): Promise<void> {
    const { log, queue, requeueDelayMs } = this.#options
    this.#slots.begin(tag)
    const verdict = await this.#judge(message)
    if (verdict === 'requeue') await systemClock.sleep(requeueDelayMs, this.#stopping.signal).catch(() => undefined)
    if (!settle(channel, message, verdict))
      log.debug({ queue, id: message.properties.messageId, verdict }, 'The channel of a delivery is gone')
    this.#slots.end(tag)
    await this.#grow().catch((thrown: unknown) => {
      // A channel that cannot take another consumer is about to close, which is seen there.
      log.debug({ queue, reason: String(thrown) }, 'A consumer could not be added')
    })
  }

  async #judge(message: ConsumeMessage): Promise<Verdict> {
    const { log, queue, language, invalid } = this.#options
    const decoded: Decoded<Envelope> = decodeEnvelope(message.content, language)
    if ('fault' in decoded) {
      log.error({ queue, fault: decoded.fault, verdict: invalid }, 'A message is not an execution')
      return invalid
    }
    const { id } = decoded.value
    // After a lost connection the broker hands out again what still runs here: it is waited for, not run twice.
    const running = this.#running.get(id) ?? this.#handle(decoded.value, message)
    this.#running.set(id, running)
    try {
      return await running
    } finally {
      this.#running.delete(id)
    }
  }

  async #handle(envelope: Envelope, message: ConsumeMessage): Promise<Verdict> {
    try {
      return await this.#handler(this.#options.toDelivery(envelope, message))
    } catch (thrown: unknown) {
      const error = toAppError(thrown)
      const verdict = verdictOn(error)
      this.#options.log[error.kind.level](
        { id: envelope.id, code: error.code, err: error, verdict },
        'A delivery failed',
      )
      return verdict
    }
  }
}
