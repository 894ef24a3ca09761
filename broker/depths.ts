import type { ChannelModel } from 'amqplib'
import type { QueueDepth } from '../core/ports.ts'
import { ReopeningChannel } from './reopening-channel.ts'
import type { Names } from './topology.ts'

/** How many messages wait in the queues. Asking is a passive declaration: one question and one answer for each queue, and nothing is taken out. */
export class Depths {
  readonly #names: Names
  #channel: ReopeningChannel | undefined

  constructor(names: Names) {
    this.#names = names
  }

  /** A connection is there. */
  open(model: Pick<ChannelModel, 'createChannel'>): void {
    this.#channel = new ReopeningChannel(() => model.createChannel())
  }

  lost(): void {
    this.#channel = undefined
  }

  /** Without a connection: nothing. A queue that is not there is left out. */
  async read(languages: readonly string[]): Promise<QueueDepth[]> {
    if (this.#channel === undefined) return []
    const { executions, runs, deadLetters, parked } = this.#names
    const asked = [
      ...languages.flatMap((language) => [
        { language, queue: 'executions' as const, name: executions(language) },
        { language, queue: 'runs' as const, name: runs(language) },
      ]),
      { language: 'all', queue: 'dead-letters' as const, name: deadLetters },
      { language: 'all', queue: 'parked' as const, name: parked },
    ]
    const depths: QueueDepth[] = []
    // One after the other: the broker closes the channel on which it is asked for what is not there.
    for (const { name, ...what } of asked) {
      const messages = await this.messagesIn(name)
      if (messages !== undefined) depths.push({ ...what, messages })
    }
    return depths
  }

  /** Undefined without a connection, or when the queue is not there. */
  async messagesIn(queue: string): Promise<number | undefined> {
    const answer = await this.#channel
      ?.get()
      .then((open) => open.checkQueue(queue))
      .catch(() => undefined)
    return answer?.messageCount
  }
}
