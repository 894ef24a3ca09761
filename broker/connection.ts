import { type ChannelModel, connect, type RecoveringChannelModel } from 'amqplib'
import { toError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'

/** Seconds. A dead connection is noticed after two to three of them; shorter ones break connections when a process or the broker is busy. */
const HEARTBEAT_SECONDS = 10

/** For the TCP connection and the AMQP handshake together. */
const CONNECT_TIMEOUT_MS = 5_000

/** For exchanges, queues and channels together, also when the broker has just started or is busy. */
const SETUP_TIMEOUT_MS = 10_000

/** A broker that does not say goodbye is left after this. */
const CLOSE_TIMEOUT_MS = 2_000

const RECOVERY = { initialDelay: 100, maxDelay: 2_000, factor: 2, jitter: 0.2 }

/** Gives up the connection that was set up, so that a new one is made. */
export type Restart = (reason: string) => void

export interface BrokerOptions {
  url: string
  /** How the connection is called in RabbitMQ's own lists. */
  name: string
  log: Log
  /** Makes channels, queues and consumers. Runs after every connect, before `connected` is true; when it fails, the connection is made anew. */
  setup: (model: ChannelModel, restart: Restart) => Promise<void>
  /** The connection is gone, and all that `setup` made. */
  onDown?: () => void
}

/**
 * One connection to RabbitMQ that comes back by itself. Whatever goes wrong in it, also on one channel, ends in the same way: a new connection, and
 * `setup` again. So there is one path of recovery to test, not three.
 */
export class Broker implements AsyncDisposable {
  readonly #connection: RecoveringChannelModel
  readonly #disposing: AbortController
  readonly #log: Log
  #model: ChannelModel | undefined
  #blocked = false

  constructor(connection: RecoveringChannelModel, disposing: AbortController, log: Log) {
    this.#connection = connection
    this.#disposing = disposing
    this.#log = log
  }

  /** Set up and able to take something. False while the broker refuses publishing for want of memory or disk. */
  get connected(): boolean {
    return this.#model !== undefined && !this.#blocked
  }

  /** The broker refuses publishing for want of memory or disk. */
  get blocked(): boolean {
    return this.#blocked
  }

  /** Called by `connectBroker` only. */
  watch(onDown: () => void): void {
    let attempts = 0
    let lastReason = ''
    this.#connection.on('connect', (model) => {
      attempts = 0
      lastReason = ''
      this.#blocked = false
      this.#model = model
      this.#log.info({}, 'Connected to the broker')
    })
    this.#connection.on('disconnect', (error) => {
      this.#model = undefined
      this.#log.warn({ reason: error.message }, 'The connection to the broker is lost')
      onDown()
    })
    this.#connection.on('connect-failed', (error) => {
      onDown()
      // Every attempt is one line too many for an outage of an hour: what is new, and each tenth.
      const news = error.message !== lastReason || attempts % 10 === 0
      attempts++
      lastReason = error.message
      if (news) this.#log.warn({ reason: error.message, attempts }, 'The broker cannot be reached or used')
    })
    this.#connection.on('blocked', (reason) => {
      this.#blocked = true
      this.#log.warn({ reason }, 'The broker takes nothing for want of memory or disk')
    })
    this.#connection.on('unblocked', () => {
      this.#blocked = false
      this.#log.info({}, 'The broker takes messages again')
    })
    this.#connection.on('error', (error) =>
      this.#log.debug({ reason: error.message }, 'Error on the broker connection'),
    )
    this.#connection.on('handler-error', (error: Error) =>
      this.#log.error({ err: error }, 'A listener on the broker connection threw'),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const model = this.#model
    this.#model = undefined
    this.#disposing.abort()
    await inTime(this.#connection.close())
    if (model !== undefined) destroySocket(model)
  }
}

/**
 * Starts to connect and returns at once: a broker that is down now is waited for, in the background, for ever.
 * The URL may carry `?heartbeat=`; it is never logged, since it holds the password.
 */
export async function connectBroker({ url, name, log, setup, onDown }: BrokerOptions): Promise<Broker> {
  const disposing = new AbortController()
  const connection = await connect(withHeartbeat(url), {
    // Nagle's algorithm with delayed acknowledgements costs 40 ms for each small message.
    noDelay: true,
    keepAlive: true,
    timeout: CONNECT_TIMEOUT_MS,
    clientProperties: { connection_name: name },
    recovery: {
      ...RECOVERY,
      waitForConnect: false,
      setup: (model: ChannelModel) => setUpInTime(model, (restart) => setup(model, restart), disposing.signal, log),
    },
  })
  const broker = new Broker(connection, disposing, log)
  broker.watch(onDown ?? (() => undefined))
  return broker
}

export function withHeartbeat(url: string): string {
  const parsed = new URL(url)
  if (!parsed.searchParams.has('heartbeat')) parsed.searchParams.set('heartbeat', String(HEARTBEAT_SECONDS))
  return parsed.href
}

/**
 * A failed setup takes its connection with it before amqplib closes it: it would wait for an answer, without a limit, and never connect again if none comes.
 */
async function setUpInTime(
  model: ChannelModel,
  setup: (restart: Restart) => Promise<void>,
  disposing: AbortSignal,
  log: Log,
): Promise<void> {
  const closed = new Promise<void>((resolve) => model.once('close', () => resolve()))
  const restart = restarter(model, disposing, log)
  const { promise: given, reject: giveUp } = Promise.withResolvers<never>()
  const timer = setTimeout(giveUp, SETUP_TIMEOUT_MS, new Error(`not set up within ${SETUP_TIMEOUT_MS} ms`))
  const onDispose = () => giveUp(new Error('the connection is no longer wanted'))
  disposing.addEventListener('abort', onDispose, { once: true })
  try {
    await Promise.race([setup(restart), given])
  } catch (thrown: unknown) {
    destroySocket(model)
    await closed
    throw toError(thrown)
  } finally {
    clearTimeout(timer)
    disposing.removeEventListener('abort', onDispose)
  }
}

/** A restart of one connection: at most once, and only when it does not end by itself, since its channels close before it does. */
function restarter(model: ChannelModel, disposing: AbortSignal, log: Log): Restart {
  let over = false
  model.on('error', () => undefined)
  model.on('close', (error) => {
    over = true
    if (error !== undefined) destroySocket(model)
  })
  return (reason) =>
    setImmediate(() => {
      if (over || disposing.aborted) return
      over = true
      log.warn({ reason }, 'The connection to the broker is made anew')
      inTime(model.close()).then(
        () => destroySocket(model),
        (thrown: unknown) => log.error({ err: toError(thrown) }, 'The connection to the broker could not be given up'),
      )
    })
}

/** Waits for a goodbye, not for ever: amqplib's close waits for an answer that a dead broker never gives. An error means that it is closed already. */
async function inTime(closing: Promise<void>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, CLOSE_TIMEOUT_MS)
  await Promise.race([closing.catch(() => undefined), late])
  clearTimeout(timer)
}

/**
 * amqplib ends a socket but never destroys it: one that nobody answers on would keep the process alive for a quarter of an hour.
 * It does not publish its socket, hence the cast. With an error, since that is what amqplib listens to when it stops its heartbeat.
 */
function destroySocket(model: ChannelModel): void {
  const { stream } = model.connection as unknown as { stream?: { destroy(error: Error): void } }
  stream?.destroy(new Error('The connection was given up'))
}
