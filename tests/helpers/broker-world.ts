import { randomBytes } from 'node:crypto'
import { type Channel, connect } from 'amqplib'
import { BrokerConfig, type BrokerSettings } from '../../broker/config.ts'
import { connectConsumer, type RabbitConsumer } from '../../broker/consumer.ts'
import { connectPublisher, type RabbitPublisher } from '../../broker/publisher.ts'
import { describeTopology, type Names, namesOf } from '../../broker/topology.ts'
import { type Envelope, emptyResult } from '../../core/execution.ts'
import { ExecutionIds } from '../../core/ids.ts'
import { LimitSettings, resolveLimits } from '../../core/limits.ts'
import type { Log } from '../../core/log.ts'
import type { Delivery, Verdict } from '../../core/ports.ts'

/** A log that is read by tests. */
export class LogLines implements Log {
  readonly lines: { level: string; message: string; fields: object }[] = []

  #add(level: string, fields: object, message: string): void {
    this.lines.push({ level, message, fields })
  }
  debug = (fields: object, message: string) => this.#add('debug', fields, message)
  info = (fields: object, message: string) => this.#add('info', fields, message)
  warn = (fields: object, message: string) => this.#add('warn', fields, message)
  error = (fields: object, message: string) => this.#add('error', fields, message)
  child = () => this

  /** The messages of one level. */
  of(level: string): string[] {
    return this.lines.filter((line) => line.level === level).map((line) => line.message)
  }
}

const ids = new ExecutionIds(randomBytes(32))

export function envelope(code = 'print(1)', language = 'python'): Envelope {
  const limits = resolveLimits(LimitSettings.parse({}))
  const program = { language, code, stdin: '', args: [], env: {}, files: [], limits }
  return { version: 1, id: ids.create(Date.now()), acceptedAt: Date.now(), program }
}

/** Resolves when the condition holds; the test's own timeout is the limit. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** Queues and exchanges of a test's own on a broker that others use too. Everything that it opened is closed, and everything declared is deleted, at its end. */
export class BrokerWorld implements AsyncDisposable {
  readonly log = new LogLines()
  readonly settings: BrokerSettings
  readonly names: Names
  readonly channel: Channel
  readonly #scope: AsyncDisposableStack

  private constructor(settings: BrokerSettings, channel: Channel, scope: AsyncDisposableStack) {
    this.settings = settings
    this.names = namesOf(settings.QUEUE_PREFIX)
    this.channel = channel
    this.#scope = scope
  }

  static async open(url: string, changes: Partial<BrokerSettings> = {}): Promise<BrokerWorld> {
    const prefix = `test-${randomBytes(6).toString('hex')}.`
    const settings = { ...BrokerConfig.parse({ AMQP_URL: url, QUEUE_PREFIX: prefix }), ...changes }
    const scope = new AsyncDisposableStack()
    const connection = scope.adopt(await connect(url), (opened) => opened.close())
    const channel = await connection.createChannel()
    scope.defer(async () => {
      const { queues, exchanges } = describeTopology(settings, ['python', 'javascript'])
      for (const { name } of queues) await channel.deleteQueue(name)
      for (const { name } of exchanges) await channel.deleteExchange(name)
    })
    return new BrokerWorld(settings, channel, scope)
  }

  /** Connected, its queues declared. */
  async publisher(changes: Partial<BrokerSettings> = {}): Promise<RabbitPublisher> {
    const settings = { ...this.settings, ...changes }
    const publisher = await connectPublisher({ settings, languages: ['python', 'javascript'], log: this.log })
    this.#scope.use(publisher)
    await until(() => publisher.connected)
    return publisher
  }

  /** Connected. */
  async consumer(changes: Partial<BrokerSettings> = {}): Promise<RabbitConsumer> {
    const settings = { ...this.settings, ...changes }
    const consumer = this.#scope.use(await connectConsumer({ settings, log: this.log }))
    await until(() => consumer.connected)
    return consumer
  }

  async depth(queue: string): Promise<number> {
    return (await this.channel.checkQueue(queue)).messageCount
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.disposeAsync()
  }
}

/** A handler that answers each delivery and remembers it. */
export function answering(verdict: Verdict = 'ack'): {
  deliveries: Delivery[]
  handle: (delivery: Delivery) => Promise<Verdict>
} {
  const deliveries: Delivery[] = []
  const handle = async (delivery: Delivery) => {
    deliveries.push(delivery)
    const { id, program } = delivery.envelope
    delivery.reply?.({ id, result: { ...emptyResult('succeeded'), stdout: program.code } })
    return verdict
  }
  return { deliveries, handle }
}
