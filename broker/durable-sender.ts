import type { ChannelModel } from 'amqplib'
import { toError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { ConfirmedChannel, type Outcome } from './confirmed-channel.ts'
import { scheduleProperties } from './messages.ts'

/** How long a broker that says nothing is borne. */
const PATIENCE_MS = 5_000

/** Puts executions that a runner holds into another durable queue. Each may be there twice, or have been tried before, so it is marked as repeated. */
export class DurableSender {
  readonly #exchange: string
  readonly #log: Log
  #model: ChannelModel | undefined
  #channel: Promise<ConfirmedChannel> | undefined

  constructor(exchange: string, log: Log) {
    this.#exchange = exchange
    this.#log = log
  }

  /** A connection is there that may publish, and the queues too. */
  open(model: ChannelModel): void {
    this.#model = model
    this.#channel = undefined
  }

  lost(): void {
    this.#model = undefined
    this.#channel = undefined
  }

  /** Never rejects. Only what is `confirmed` may be acknowledged where it came from. */
  async send(queue: string, content: Buffer, messageId: string): Promise<Outcome> {
    try {
      const model = this.#model
      if (model === undefined) return 'unsent'
      const channel = await this.#openChannel(model)
      return await channel.publish(queue, content, scheduleProperties(messageId, true))
    } catch (thrown: unknown) {
      this.#log.debug({ queue, reason: toError(thrown).message }, 'There is no channel to put executions elsewhere')
      return 'unsent'
    }
  }

  #openChannel(model: ChannelModel): Promise<ConfirmedChannel> {
    if (this.#channel !== undefined) return this.#channel
    const forget = () => {
      if (this.#channel === opening) this.#channel = undefined
    }
    const opening = model.createConfirmChannel().then((channel) => {
      // What was in flight hears of it.
      channel.on('error', () => undefined)
      channel.on('close', forget)
      return new ConfirmedChannel(channel, this.#exchange, PATIENCE_MS)
    })
    opening.catch(forget)
    this.#channel = opening
    return opening
  }
}
