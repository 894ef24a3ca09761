import type { Channel } from 'amqplib'

/** A channel for questions that the broker may answer by closing it: the next one gets a fresh one. Opens it at first use. */
export class ReopeningChannel {
  readonly #open: () => Promise<Channel>
  #channel: Promise<Channel> | undefined

  constructor(open: () => Promise<Channel>) {
    this.#open = open
  }

  async get(): Promise<Channel> {
    this.#channel ??= this.#openOne()
    return await this.#channel
  }

  forget(): void {
    this.#channel = undefined
  }

  async close(): Promise<void> {
    const channel = await this.#channel?.catch(() => undefined)
    await channel?.close().catch(() => undefined)
  }

  #openOne(): Promise<Channel> {
    const opening = this.#open().then((channel) => {
      // The same error rejects the question, where it is dealt with.
      channel.on('error', () => undefined)
      channel.on('close', forget)
      return channel
    })
    const forget = () => {
      if (this.#channel === opening) this.#channel = undefined
    }
    opening.catch(forget)
    return opening
  }
}
