import type { ConfirmChannel, Options } from 'amqplib'

/**
 * What became of a published message:
 * `confirmed` the queue has it; `refused` the queue is full; `unroutable` there is no such queue; `broken` the channel died first and the message may have
 * got through; `unsent` it certainly did not; `silent` nothing was heard in time, and it may still get through.
 */
export type Outcome = 'confirmed' | 'refused' | 'unroutable' | 'broken' | 'unsent' | 'silent'

/** A queue that confirms others but not this one has lost it: a queue under load still answers each within a second or two. */
const LONGEST_WAIT_MS = 10_000

interface Lane {
  lastConfirm: number
  silent: boolean
}

interface InFlight {
  lane: Lane
  unroutable: boolean
  settle(outcome: Outcome): void
}

/**
 * Publishing with an answer for each message. Only silence is a fault, not slowness: while a queue confirms at all, others that wait for it are waited for.
 * A queue that fell silent gets nothing more until it confirms something: what is written to a connection that nobody reads is kept in memory here.
 */
export class ConfirmedChannel {
  readonly #channel: ConfirmChannel
  readonly #exchange: string
  readonly #patienceMs: number
  readonly #lanes = new Map<string, Lane>()
  readonly #inFlight = new Map<string, InFlight>()

  /** @param patienceMs how long silence is borne */
  constructor(channel: ConfirmChannel, exchange: string, patienceMs: number) {
    this.#channel = channel
    this.#exchange = exchange
    this.#patienceMs = patienceMs
    channel.on('return', (message) => {
      const inFlight = this.#inFlight.get(String(message.properties.messageId))
      if (inFlight !== undefined) inFlight.unroutable = true
    })
    // Before amqplib's own listener, which tells every waiting message of an error that is not to be told from a refusal.
    channel.prependListener('close', () => {
      for (const inFlight of this.#inFlight.values()) inFlight.settle('broken')
    })
  }

  /** Never rejects. `messageId` must be set, and be in flight once. */
  publish(queue: string, content: Buffer, properties: Options.Publish & { messageId: string }): Promise<Outcome> {
    const lane = this.#lane(queue)
    if (lane.silent) return Promise.resolve('unsent')
    const { promise, resolve } = Promise.withResolvers<Outcome>()
    const inFlight = this.#begin(properties.messageId, lane, resolve)
    try {
      this.#channel.publish(this.#exchange, queue, content, properties, (error) => {
        lane.lastConfirm = performance.now()
        lane.silent = false
        inFlight.settle(error ? 'refused' : inFlight.unroutable ? 'unroutable' : 'confirmed')
      })
    } catch {
      inFlight.settle('unsent')
    }
    return promise
  }

  #begin(id: string, lane: Lane, resolve: (outcome: Outcome) => void): InFlight {
    const sentAt = performance.now()
    const listen = () => {
      const now = performance.now()
      const quietUntil = Math.max(sentAt, lane.lastConfirm) + this.#patienceMs
      if (quietUntil > now && now < sentAt + LONGEST_WAIT_MS) {
        timer = setTimeout(listen, quietUntil - now)
        return
      }
      lane.silent = quietUntil <= now
      inFlight.settle('silent')
    }
    let timer = setTimeout(listen, this.#patienceMs)
    const inFlight: InFlight = {
      lane,
      unroutable: false,
      settle: (outcome) => {
        clearTimeout(timer)
        if (this.#inFlight.get(id) === inFlight) this.#inFlight.delete(id)
        resolve(outcome)
      },
    }
    this.#inFlight.set(id, inFlight)
    return inFlight
  }

  #lane(queue: string): Lane {
    let lane = this.#lanes.get(queue)
    if (lane === undefined) {
      lane = { lastConfirm: Number.NEGATIVE_INFINITY, silent: false }
      this.#lanes.set(queue, lane)
    }
    return lane
  }
}
