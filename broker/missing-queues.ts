import type { ChannelModel } from 'amqplib'
import { toError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { systemClock } from '../core/time.ts'
import type { BrokerSettings } from './config.ts'
import { assertTopology, describeTopology } from './topology.ts'

/** Not at once: RabbitMQ 3.10 tells consumers of a deleted queue that it is gone a moment later, and forgets to when there is one of the same name again. */
const DELAY_MS = 1_000

/** Declares the queues of a language anew when somebody deleted one, once however many messages find no way. */
export class MissingQueues {
  readonly #options: { settings: BrokerSettings; log: Log; signal: AbortSignal }
  readonly #declaring = new Set<string>()

  /** @param options.signal gives up what waits for its turn */
  constructor(options: { settings: BrokerSettings; log: Log; signal: AbortSignal }) {
    this.#options = options
  }

  /** Returns at once. */
  declare(language: string, model: ChannelModel): void {
    if (this.#declaring.has(language)) return
    this.#declaring.add(language)
    const { settings, log, signal } = this.#options
    log.error({ language }, 'The queue of a language is missing: declaring it again')
    systemClock
      .sleep(DELAY_MS, signal)
      .then(() => assertTopology(() => model.createChannel(), describeTopology(settings, [language]), log))
      .catch((thrown: unknown) =>
        log.warn({ language, reason: toError(thrown).message }, 'The queue could not be declared'),
      )
      .finally(() => this.#declaring.delete(language))
  }
}
