import type { ChannelModel } from 'amqplib'
import { AppError, toError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { ReopeningChannel } from './reopening-channel.ts'
import type { Names } from './topology.ts'

/** How long a count is good for: what other replicas do meanwhile is not seen, and is how far over a limit all of them may get together. */
const FRESH_MS = 250

/**
 * A ticket that a crash left behind counts against its caller no longer than this; nor does an execution that has waited for longer.
 * The queue itself goes an hour after its last ticket when nobody uses it: keys that were taken away leave nothing.
 */
const TICKET_TTL_MS = 24 * 3_600_000
const QUEUE_EXPIRES_MS = TICKET_TTL_MS + 3_600_000

/** What is known of one caller: tickets when they were last counted, and those put since then. */
interface Count {
  tickets: number
  since: number
  countedAt: number
  counting: Promise<void> | undefined
}

/**
 * How many scheduled executions of each caller have not ended. A queue for each caller holds a ticket for each of them: the replica of the API that takes the
 * execution puts it there, the runner that acknowledges it takes one away. So the count is one for all replicas and outlives them; it is not exact, since a
 * crash between the two steps leaves a ticket, and what other replicas put is seen a quarter of a second later. docs/adr/0009.
 */
export class Tickets {
  readonly #names: Names
  readonly #log: Log
  readonly #counts = new Map<string, Count>()
  #channel: ReopeningChannel | undefined

  constructor(names: Names, log: Log) {
    this.#names = names
    this.#log = log
  }

  /** A connection is there. */
  open(model: Pick<ChannelModel, 'createChannel'>): void {
    this.#counts.clear()
    this.#channel = new ReopeningChannel(() => model.createChannel())
  }

  lost(): void {
    this.#channel = undefined
  }

  /**
   * Makes room for one more, or refuses it; whoever was let in must `put` or `release`. Lets everybody in who can't be counted.
   * @throws AppError too_many_outstanding
   */
  async reserve(caller: string, maximum: number): Promise<void> {
    const count = this.#counts.get(caller) ?? {
      tickets: 0,
      since: 0,
      countedAt: Number.NEGATIVE_INFINITY,
      counting: undefined,
    }
    this.#counts.set(caller, count)
    if (performance.now() - count.countedAt >= FRESH_MS) {
      count.counting ??= this.#count(caller, count)
      await count.counting
    }
    if (count.tickets + count.since >= maximum) {
      throw new AppError('too_many_outstanding', `This key may have ${maximum} executions that have not ended`)
    }
    count.since++
  }

  /** The queue that the ticket is to be published to. */
  queueOf(caller: string): string {
    return this.#names.tickets(caller)
  }

  /** Takes one ticket away: an execution has ended, or was not taken after all. Never throws, and nobody waits for it. */
  release(caller: string): void {
    const count = this.#counts.get(caller)
    if (count !== undefined && count.since > 0) count.since--
    void this.#take(caller)
  }

  async #take(caller: string): Promise<void> {
    try {
      const channel = await this.#channel?.get()
      await channel?.get(this.#names.tickets(caller), { noAck: true })
    } catch (thrown: unknown) {
      this.#log.debug({ reason: toError(thrown).message }, 'A ticket could not be taken: it goes when its time is over')
    }
  }

  async #count(caller: string, count: Count): Promise<void> {
    const before = count.since
    try {
      count.tickets = await this.#declare(caller)
      count.since = Math.max(0, count.since - before)
    } catch (thrown: unknown) {
      this.#log.warn({ reason: toError(thrown).message }, 'The executions of a caller could not be counted')
      count.tickets = 0
    }
    count.countedAt = performance.now()
    count.counting = undefined
  }

  /** Declaring what exists answers with its length, and says that it is still in use. */
  async #declare(caller: string): Promise<number> {
    const channel = await this.#channel?.get()
    if (channel === undefined) return 0
    const queue = this.#names.tickets(caller)
    const { messageCount } = await channel.assertQueue(queue, {
      durable: true,
      arguments: { 'x-queue-type': 'classic', 'x-message-ttl': TICKET_TTL_MS, 'x-expires': QUEUE_EXPIRES_MS },
    })
    await channel.bindQueue(queue, this.#names.work, queue)
    return messageCount
  }
}
