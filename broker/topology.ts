import type { Channel, Options } from 'amqplib'
import { toError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { type BrokerSettings, runTtlMs } from './config.ts'
import { ReopeningChannel } from './reopening-channel.ts'

/**
 * What Runlet declares on a broker. Everything is durable or exclusive: RabbitMQ 4.3 refuses the rest. All publishing goes through an exchange of our own
 * and not the default one, so that the permissions of a broker user can be the one expression `^<prefix>` for configure, write and read.
 */
export interface Topology {
  exchanges: ExchangeDeclaration[]
  queues: QueueDeclaration[]
}

export interface ExchangeDeclaration {
  name: string
  type: 'direct' | 'fanout'
}

export interface QueueDeclaration {
  name: string
  arguments: Record<string, string | number>
  /** Bound to this exchange, the queue's name being the routing key. */
  exchange: string
}

export interface Names {
  work: string
  deadLetterExchange: string
  deadLetters: string
  /** What only a newer Runlet can read (parking.ts). */
  parked: string
  /** Runs whose callers were told 202, until they must have ended. */
  adopted: string
  executions(language: string): string
  runs(language: string): string
  replies(replica: string): string
  /** One ticket for each scheduled execution of a caller that has not ended (tickets.ts). */
  tickets(caller: string): string
}

export function namesOf(prefix: string): Names {
  return {
    work: `${prefix}work`,
    deadLetterExchange: `${prefix}dead-letters`,
    deadLetters: `${prefix}dead-letters`,
    parked: `${prefix}parked`,
    adopted: `${prefix}adopted`,
    executions: (language) => `${prefix}executions.${language}`,
    runs: (language) => `${prefix}runs.${language}`,
    replies: (replica) => `${prefix}replies.${replica}`,
    tickets: (caller) => `${prefix}tickets.${caller}`,
  }
}

type TopologySettings = Omit<BrokerSettings, 'AMQP_URL'>

/** The exchanges and queues for some languages, in an order in which they can be declared. */
export function describeTopology(settings: TopologySettings, languages: Iterable<string>): Topology {
  const names = namesOf(settings.QUEUE_PREFIX)
  const queues = [...languages].flatMap((language) => [
    executionQueue(names, language, settings),
    runQueue(names, language, settings),
  ])
  return {
    exchanges: [
      { name: names.work, type: 'direct' },
      { name: names.deadLetterExchange, type: 'fanout' },
    ],
    // Classic: RabbitMQ 4 gives every quorum queue a delivery limit, and there is nowhere left to go from here.
    queues: [
      { name: names.deadLetters, arguments: { 'x-queue-type': 'classic' }, exchange: names.deadLetterExchange },
      { name: names.parked, arguments: { 'x-queue-type': 'classic' }, exchange: names.work },
      adoptedQueue(names),
      ...queues,
    ],
  }
}

/**
 * A scheduled execution must not be lost: replicated, on disk, and dead-lettered at least once (which needs reject-publish): it stays here until the
 * dead-letter queue has it. It counts against the length meanwhile, so trouble there shows as a full queue instead of vanished executions.
 */
function executionQueue(names: Names, language: string, settings: TopologySettings): QueueDeclaration {
  return {
    name: names.executions(language),
    exchange: names.work,
    arguments: {
      'x-queue-type': 'quorum',
      'x-delivery-limit': settings.DELIVERY_LIMIT,
      'x-max-length': settings.QUEUE_MAX_LENGTH,
      'x-overflow': 'reject-publish',
      'x-dead-letter-exchange': names.deadLetterExchange,
      'x-dead-letter-strategy': 'at-least-once',
    },
  }
}

/** A run has somebody waiting, who is told if it is lost: memory only, no replication, and given up when no runner takes it soon. */
function runQueue(names: Names, language: string, settings: TopologySettings): QueueDeclaration {
  return {
    name: names.runs(language),
    exchange: names.work,
    arguments: {
      'x-queue-type': 'classic',
      'x-message-ttl': runTtlMs(settings),
      'x-max-length': settings.RUN_QUEUE_MAX_LENGTH,
      'x-overflow': 'reject-publish',
      'x-dead-letter-exchange': names.deadLetterExchange,
    },
  }
}

/**
 * A run is in no file, and once its caller has been told 202 it must outlive the broker and the runner that has it. What is here has a time to live of its own, in
 * which it ends and is recorded; as a dead letter it is then found to have ended, or is run anew. It costs nothing where a run ends in time.
 */
function adoptedQueue(names: Names): QueueDeclaration {
  const settings = { 'x-queue-type': 'classic', 'x-dead-letter-exchange': names.deadLetterExchange }
  return { name: names.adopted, arguments: settings, exchange: names.work }
}

/** The broker's answer to a declaration that contradicts what exists. */
const PRECONDITION_FAILED = 406

/**
 * Declares it all. What exists with other arguments stays as it is, with a warning that says how to change it: a changed setting must not stop a running system.
 * @param openChannel a fresh channel each time, since the broker closes the one on which a declaration failed.
 */
export async function assertTopology(
  openChannel: () => Promise<Channel>,
  { exchanges, queues }: Topology,
  log: Log,
): Promise<void> {
  const channel = new ReopeningChannel(openChannel)
  try {
    for (const { name, type } of exchanges)
      await tolerate(channel, log, name, (open) => open.assertExchange(name, type, { durable: true }))
    for (const queue of queues) {
      await tolerate(channel, log, queue.name, (open) => open.assertQueue(queue.name, queueOptions(queue)))
      await (await channel.get()).bindQueue(queue.name, queue.exchange, queue.name)
    }
  } finally {
    await channel.close()
  }
}

function queueOptions(queue: QueueDeclaration): Options.AssertQueue {
  return { durable: true, arguments: queue.arguments }
}

async function tolerate(
  channel: ReopeningChannel,
  log: Log,
  name: string,
  declare: (open: Channel) => Promise<unknown>,
): Promise<void> {
  try {
    await declare(await channel.get())
  } catch (thrown: unknown) {
    channel.forget()
    const error = toError(thrown)
    if (!('code' in error) || error.code !== PRECONDITION_FAILED) throw error
    log.warn(
      { name, reason: error.message },
      'The broker has this with other arguments: going on with it as it is. To apply the new setting, stop what publishes, let it run empty, ' +
        `delete it (rabbitmqctl delete_queue ${name} --if-empty) and restart; it is then declared anew`,
    )
  }
}
