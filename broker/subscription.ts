import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib'
import { toAppError } from '../core/errors.ts'
import type { Envelope } from '../core/execution.ts'
import type { Log } from '../core/log.ts'
import type { Delivery, DeliveryHandler, Verdict } from '../core/ports.ts'
import { systemClock } from '../core/time.ts'
import type { Restart } from './connection.ts'
import { decodeEnvelope } from './messages.ts'
import type { Parking } from './parking.ts'
import { Slots } from './slots.ts'
import { giveBack, settle, verdictOn } from './verdict.ts'

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
  /** Takes what is of a version that only a newer Runlet reads. */
  parking: Pick<Parking, 'take'>
  toDelivery: (envelope: Envelope, message: ConsumeMessage) => Delivery
  /** Told of executions that are done with and will not come again. */
  onDone?: (envelope: Envelope) => void
  log: Log
}

interface OpenChannel {
  channel: Channel
  restart: Restart
}

/** An execution under way here. `tag` is the consumer whose slot it holds, undefined when it holds none any more. */
interface Running {
  verdict: Promise<Verdict>
  /** Missing for what is no execution. */
  envelope?: Envelope
  tag: string | undefined
}

const CANCEL_TIMEOUT_MS = 2_000

const CONSUME_WARNING_MS = 10_000

/** Takes from one queue, on a channel of its own, for as long as the process lives: `open` is called again for every new connection. */
export class Subscription {
  readonly #options: SubscriptionOptions
  readonly #slots = new Slots()
  readonly #running = new Map<string, Running>()
  readonly #cancelled = new Set<string>()
  readonly #stopping = new AbortController()
  #handler: DeliveryHandler = async () => 'requeue'
  #open: OpenChannel | undefined
  #tags = 0

  constructor(options: SubscriptionOptions) {
    this.#options = options
  }

  async open(model: ChannelModel, restart: Restart): Promise<void> {
    const { log, queue } = this.#options
    const channel = await model.createChannel()
    this.#slots.retireAll()
    this.#cancelled.clear()
    this.#takeLateOnes(channel)
    channel.on('error', (error) => log.warn({ queue, reason: error.message }, 'The broker closed a channel'))
    channel.on('close', () => {
      if (this.#open?.channel !== channel) return
      this.#open = undefined
      restart(`the channel of ${queue} was closed`)
    })
    this.#open = { channel, restart }
    this.#fill()
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
    this.#fill()
  }

  /** Takes nothing new. What waits to be handed out again is handed out now. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#cancel(this.#slots.resize(0))
  }

  async #cancel(tags: string[]): Promise<void> {
    const channel = this.#open?.channel
    if (channel === undefined) return
    const cancel = async (tag: string) => {
      await channel.cancel(tag)
      this.#cancelled.add(tag)
    }
    // On a channel that dies meanwhile they are cancelled as well, and nobody waits for a broker that says nothing.
    const patience = new AbortController()
    const cancelled = Promise.all(tags.map((tag) => cancel(tag).catch(() => undefined)))
    await Promise.race([cancelled, systemClock.sleep(CANCEL_TIMEOUT_MS, patience.signal).catch(() => undefined)])
    patience.abort()
  }

  /**
   * A quorum queue may deliver to a consumer after it confirmed its cancellation (amqplib issue 641). amqplib throws then, which would close the channel and
   * take with it what is being executed; with a listener for what its listeners throw it does not.
   */
  #takeLateOnes(channel: Channel): void {
    channel.prependListener('delivery', (message: ConsumeMessage) => {
      const { consumerTag } = message.fields
      if (this.#cancelled.has(consumerTag)) void this.#take(channel, consumerTag, message)
    })
    channel.on('handler-error', (error) => {
      this.#options.log.debug({ queue: this.#options.queue, reason: error.message }, 'A delivery came too late')
    })
  }

  /** Adds a consumer for the slots that are free. Does not wait for the broker: other queues must not wait for one that has no leader. */
  #fill(): void {
    const { room } = this.#slots
    if (room === 0 || this.#open === undefined || this.#stopping.signal.aborted) return
    const { channel, restart } = this.#open
    const { queue, log } = this.#options
    const tag = `${queue}.${++this.#tags}`
    this.#slots.add(tag, room)
    const onMessage = (message: ConsumeMessage | null) => {
      if (message === null) restart(`the broker cancelled the consumer of ${queue}`)
      else void this.#take(channel, tag, message)
    }
    const timer = setTimeout(
      () => log.warn({ queue }, 'The broker lets nobody consume this queue: its leader may be missing'),
      CONSUME_WARNING_MS,
    )
    // Both are sent at once and in this order: the prefetch holds for the consumers that follow it.
    Promise.all([channel.prefetch(room), channel.consume(queue, onMessage, { consumerTag: tag })])
      // A channel that takes no consumer closes, which is dealt with there.
      .catch((thrown: unknown) => log.debug({ queue, reason: String(thrown) }, 'A consumer could not be added'))
      .finally(() => clearTimeout(timer))
  }

  async #take(channel: Channel, tag: string, message: ConsumeMessage): Promise<void> {
    const { log, queue, requeueDelayMs } = this.#options
    if (this.#stopping.signal.aborted) return giveBack(channel, message)
    this.#slots.begin(tag)
    const running = this.#run(channel, message, tag)
    const verdict = await running.verdict
    if (verdict === 'requeue') await systemClock.sleep(requeueDelayMs, this.#stopping.signal).catch(() => undefined)
    if (!settle(channel, message, verdict))
      log.debug({ queue, id: message.properties.messageId, verdict }, 'The channel of a delivery is gone')
    else if (verdict === 'ack' && running.envelope !== undefined) this.#options.onDone?.(running.envelope)
    this.#release(running, tag)
  }

  /** Gives the slot of an execution to the next one, unless another delivery of it holds that slot by now. */
  #release(running: Running, tag: string): void {
    if (running.tag !== tag) return
    running.tag = undefined
    this.#slots.end(tag)
    this.#fill()
  }

  #run(channel: Channel, message: ConsumeMessage, tag: string): Running {
    const { log, queue, language, invalid, parking } = this.#options
    const decoded = decodeEnvelope(message.content, language)
    if ('newer' in decoded) return { verdict: parking.take(message, decoded.newer), tag }
    if ('fault' in decoded) {
      log.error({ queue, fault: decoded.fault, verdict: invalid }, 'A message is not an execution')
      return { verdict: Promise.resolve(invalid), tag }
    }
    const { id } = decoded.value
    const under = this.#running.get(id)
    if (under !== undefined) return this.#join(under, tag)
    const verdict = this.#handle(decoded.value, message, channel).finally(() => this.#running.delete(id))
    const running: Running = { verdict, envelope: decoded.value, tag }
    this.#running.set(id, running)
    return running
  }

  /** After a lost connection the broker hands out again what still runs here. It is waited for, not run twice, and takes one slot, not two. */
  #join(running: Running, tag: string): Running {
    if (running.tag !== undefined) this.#slots.end(running.tag)
    running.tag = tag
    this.#fill()
    return running
  }

  async #handle(envelope: Envelope, message: ConsumeMessage, channel: Channel): Promise<Verdict> {
    const isHeld = () => this.#open?.channel === channel
    try {
      return await this.#handler({ ...this.#options.toDelivery(envelope, message), isHeld })
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
