import type { Channel, ChannelModel } from 'amqplib'
import type { Log } from '../core/log.ts'
import type { Reply } from '../core/ports.ts'
import type { Restart } from './connection.ts'
import { Current } from './current.ts'
import { encode } from './messages.ts'

/** Replies that a stuck connection may hold in memory; about a thousand of usual size, and one of the biggest. */
const MAX_UNSENT_BYTES = 64 * 1024 * 1024

/** Sends replies without ever waiting or failing: whoever waits for one gives up by itself. */
export class ReplySender {
  readonly #exchange: string
  readonly #log: Log
  readonly #channel = new Current<Channel>()
  #unsentBytes = 0

  constructor(exchange: string, log: Log) {
    this.#exchange = exchange
    this.#log = log
  }

  async open(model: ChannelModel, restart: Restart): Promise<void> {
    const channel = await model.createChannel()
    channel.on('error', (error) =>
      this.#log.warn({ reason: error.message }, 'The broker closed the channel of replies'),
    )
    channel.on('drain', () => {
      this.#unsentBytes = 0
    })
    channel.on('close', () => {
      if (this.#channel.value !== channel) return
      this.lost()
      restart('the channel of replies was closed')
    })
    this.#channel.set(channel)
  }

  /** Waits until replies can be sent; false when they cannot after `waitMs`. */
  async ready(waitMs: number): Promise<boolean> {
    return (await this.#channel.within(waitMs)) !== undefined
  }

  lost(): void {
    this.#channel.clear()
    this.#unsentBytes = 0
  }

  send(replyTo: string, reply: Reply): void {
    const { id } = reply
    const channel = this.#channel.value
    if (channel === undefined || this.#unsentBytes > MAX_UNSENT_BYTES) {
      this.#log.warn({ id }, 'A reply is dropped: the broker takes none')
      return
    }
    try {
      const content = encode(reply)
      const flowing = channel.publish(this.#exchange, replyTo, content, { correlationId: id, persistent: false })
      this.#unsentBytes = flowing ? 0 : this.#unsentBytes + content.length
    } catch (thrown: unknown) {
      this.#log.warn({ id, reason: String(thrown) }, 'A reply is dropped: its channel is gone')
    }
  }
}
