import { randomUUID } from 'node:crypto'
import type { ChannelModel, ConsumeMessage, GetMessage } from 'amqplib'
import { toError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Verdict } from '../core/ports.ts'
import { systemClock } from '../core/time.ts'
import type { DurableSender } from './durable-sender.ts'
import { decodeEnvelope, replyAddress } from './messages.ts'
import type { ReplySender } from './reply-sender.ts'
import type { Names } from './topology.ts'

/** Said to the caller of a run. */
const NEWER = 'Only a newer version of Runlet can run this, and there is none'

/** Between two looks. A runner that starts looks at once; later ones find what an older runner parked that drained meanwhile. */
const LOOK_MS = 60_000

/**
 * Executions in a form that a newer Runlet writes and this one can't read, as a roll back leaves them: each is put aside once, into a durable queue that nobody
 * consumes, so that none goes in circles or is lost. A runner looks there when it starts, and now and then, and puts back into the queue of its language what
 * it can read; the rest stays, for as long as it takes. docs/adr/0013.
 */
export class Parking {
  readonly #names: Names
  readonly #replies: Pick<ReplySender, 'send'>
  readonly #durable: Pick<DurableSender, 'send'>
  readonly #log: Log
  readonly #stopping = new AbortController()
  #model: ChannelModel | undefined
  /** Messages that were found to be unreadable: as long as there are as many, nothing has come. */
  #known = 0

  constructor(
    names: Names,
    { replies, durable }: { replies: Pick<ReplySender, 'send'>; durable: Pick<DurableSender, 'send'> },
    log: Log,
  ) {
    this.#names = names
    this.#replies = replies
    this.#durable = durable
    this.#log = log
  }

  /** A connection is there, and the queues too. */
  open(model: ChannelModel): void {
    this.#model = model
    this.#known = 0
    void this.#lookAgainAndAgain(model)
  }

  lost(): void {
    this.#model = undefined
  }

  /** Looks no more. What is being looked at goes back when the connection closes. */
  stop(): void {
    this.#stopping.abort()
    this.lost()
  }

  /** A message of a newer version: whoever waits for it hears at once that nobody can run it; what was promised to be kept is put aside. */
  async take(message: ConsumeMessage, version: number): Promise<Verdict> {
    const { content, properties } = message
    const address = replyAddress(properties, this.#names.replies(''))
    if (address?.replyBefore !== undefined && address.replyBefore > Date.now()) {
      const error = { code: 'no_capacity', message: NEWER } as const
      this.#replies.send(address.replyTo, { id: String(properties.correlationId), error })
      return 'ack'
    }
    const id = typeof properties.messageId === 'string' ? properties.messageId : randomUUID()
    const outcome = await this.#durable.send(this.#names.parked, content, id)
    this.#log.warn({ id, version, outcome }, 'An execution is for a newer Runlet, and is put aside for it')
    // Where it is not sure that it is there, it stays where it was: twice is better than not at all.
    return outcome === 'confirmed' ? 'ack' : 'requeue'
  }

  async #lookAgainAndAgain(model: ChannelModel): Promise<void> {
    const { signal } = this.#stopping
    while (this.#model === model && !signal.aborted) {
      await this.#look(model).catch((thrown: unknown) =>
        this.#log.debug({ reason: toError(thrown).message }, 'What was put aside could not be looked at'),
      )
      await systemClock.sleep(LOOK_MS, signal).catch(() => undefined)
    }
  }

  async #look(model: ChannelModel): Promise<void> {
    const channel = await model.createChannel()
    channel.on('error', () => undefined)
    try {
      const { messageCount } = await channel.checkQueue(this.#names.parked)
      if (messageCount === this.#known) return
      const seen = { back: 0, newer: 0 }
      for (let count = 0; count < messageCount && !this.#stopping.signal.aborted; count++) {
        const message = await channel.get(this.#names.parked)
        if (message === false) break
        const fate = await this.#takeBack(message)
        if (fate === 'back') channel.ack(message)
        if (fate !== 'later') seen[fate]++
      }
      this.#known = seen.newer
      if (seen.back > 0)
        this.#log.info(seen, 'Executions that were put aside can be read: they are in their queue again')
      if (seen.newer > 0) this.#log.warn(seen, 'Executions wait that only a newer Runlet can run')
    } finally {
      // What was looked at and not taken is in its place again.
      await channel.close().catch(() => undefined)
    }
  }

  /** `later`: its queue is full, or not there yet. */
  async #takeBack({ content }: GetMessage): Promise<'back' | 'newer' | 'later'> {
    const decoded = decodeEnvelope(content)
    if (!('value' in decoded)) return 'newer'
    const { id, program } = decoded.value
    const outcome = await this.#durable.send(this.#names.executions(program.language), content, id)
    return outcome === 'confirmed' ? 'back' : 'later'
  }
}
