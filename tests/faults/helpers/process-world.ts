import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'amqplib'
import { BrokerConfig } from '../../../broker/config.ts'
import { describeTopology } from '../../../broker/topology.ts'
import { kubectl } from '../../helpers/cluster.ts'
import { ask } from '../../helpers/cluster-http.ts'
import { IMAGES } from '../../helpers/cluster-release.ts'
import { freePorts } from '../../helpers/free-ports.ts'
import { type HalfOpenProxy, startHalfOpenProxy } from '../../helpers/half-open-proxy.ts'
import { type RabbitmqServer, startRabbitmq } from '../../helpers/rabbitmq-server.ts'
import { type ApiServerProxy, kubeconfigOf, startApiServerProxy } from './api-server-proxy.ts'
import type { Resources, World } from './fault.ts'
import { Part, type PartOptions } from './part.ts'

export interface ProcessWorldOptions {
  runners?: number
  apis?: number
  /** By canonical name, as in LANGUAGES. */
  languages?: Record<string, object>
  /** More variables of api and runner. */
  env?: Record<string, string>
}

/** Small enough for two cores; together the runners can have more than ten at work. */
export const LANGUAGES = {
  python: { image: IMAGES.python, warm: 1, max: 6, aliases: [] as string[], resources: { requests: { cpu: '10m' } } },
}

/**
 * Runlet as processes of this machine, with a RabbitMQ of their own; their sandboxes are in the cluster, in a namespace of their own. What they say to RabbitMQ
 * and to the API server goes through proxies that can break.
 */
export class ProcessWorld implements World {
  readonly where = 'processes'
  readonly namespace: string
  readonly broker: RabbitmqServer
  readonly brokerProxy: HalfOpenProxy
  readonly apiServer: ApiServerProxy
  readonly apis: Part[] = []
  readonly runnerParts: Part[] = []
  readonly #ports: number[] = []
  readonly #options: Required<ProcessWorldOptions>
  readonly #env: Record<string, string>
  readonly #scope: AsyncDisposableStack
  #next = 0

  private constructor(
    namespace: string,
    parts: { broker: RabbitmqServer; brokerProxy: HalfOpenProxy; apiServer: ApiServerProxy; folder: string },
    options: Required<ProcessWorldOptions>,
    scope: AsyncDisposableStack,
  ) {
    const { broker, brokerProxy, apiServer, folder } = parts
    this.namespace = namespace
    this.broker = broker
    this.brokerProxy = brokerProxy
    this.apiServer = apiServer
    this.#options = options
    this.#scope = scope
    const url = new URL(broker.url)
    url.port = String(brokerProxy.port)
    this.#env = {
      ...{ NAMESPACE: namespace, AMQP_URL: url.href, KUBECONFIG: join(folder, 'kubeconfig') },
      ...{ LANGUAGES: JSON.stringify(options.languages), ID_KEY: 'a key for tests of faults' },
      ...{ RUN_WAIT_MS: '20000', RUN_QUEUE_TTL_MS: '15000', JANITOR_INTERVAL_MS: '5000', DRAIN_SECONDS: '15' },
      RUN_ADOPTED_MARGIN_MS: '20000',
      ...options.env,
    }
  }

  static async start(given: ProcessWorldOptions = {}): Promise<ProcessWorld> {
    const options = { runners: 2, apis: 2, languages: LANGUAGES, env: {}, ...given }
    await using scope = new AsyncDisposableStack()
    const namespace = `faults-${randomBytes(3).toString('hex')}`
    await kubectl('create', 'namespace', namespace)
    scope.defer(() => kubectl('delete', 'namespace', namespace, '--wait=false').then(() => undefined))
    const folder = await mkdtemp(join(tmpdir(), 'runlet-faults-'))
    scope.defer(() => rm(folder, { recursive: true, force: true }))
    const broker = scope.use(await startRabbitmq())
    const brokerProxy = scope.use(await startHalfOpenProxy(broker.port))
    const apiServer = scope.use(await startApiServerProxy())
    await writeFile(join(folder, 'kubeconfig'), kubeconfigOf(apiServer.url))
    const world = new ProcessWorld(namespace, { broker, brokerProxy, apiServer, folder }, options, scope.move())
    try {
      for (let number = 0; number < options.apis; number++) await world.startApi()
      await Promise.all(Array.from({ length: options.runners }, () => world.startRunner()))
    } catch (error) {
      await world[Symbol.asyncDispose]()
      throw error
    }
    return world
  }

  get replicas(): number {
    return this.apis.length
  }

  get runners(): number {
    return this.#options.runners
  }

  ask: World['ask'] = async (path, question, replica) => {
    const number = replica ?? this.#next++ % this.#ports.length
    return await ask(`http://127.0.0.1:${this.#ports[number]}`, 'localhost', path, question)
  }

  async startApi(): Promise<Part> {
    const [port, metricsPort] = await freePorts()
    const name = `api-${this.apis.length}`
    const part = await Part.start({ name, main: 'api/main.ts', env: { ...this.#env, PORT: String(port) }, metricsPort })
    this.apis.push(part)
    this.#ports.push(port)
    return part
  }

  async startRunner(more: Pick<PartOptions, 'nodeArguments'> & { env?: Record<string, string>; wait?: boolean } = {}) {
    const [metricsPort] = await freePorts()
    const name = `runner-${randomBytes(3).toString('hex')}`
    const env = { ...this.#env, RUNNER_NAME: name, ...more.env }
    const { nodeArguments = [], wait = true } = more
    const part = await Part.start({ name, main: 'runner/main.ts', env, metricsPort, nodeArguments }, wait)
    this.runnerParts.push(part)
    return part
  }

  /** Starts a process again that has ended, as the kubelet does: the same name and port, and other settings where it was given some. */
  async restart(part: Part, change: Pick<Partial<PartOptions>, 'env' | 'nodeArguments'> = {}): Promise<Part> {
    const again = await Part.start({ ...part.options, ...change })
    for (const parts of [this.apis, this.runnerParts]) if (parts.includes(part)) parts[parts.indexOf(part)] = again
    return again
  }

  /** Ready messages: those that are being worked on come back when their runner ends. */
  async depths(): Promise<Record<string, number>> {
    const connection = await connect(this.broker.url)
    try {
      const channel = await connection.createChannel()
      const settings = BrokerConfig.parse({ AMQP_URL: this.broker.url })
      const { queues } = describeTopology(settings, Object.keys(this.#options.languages))
      const counts: Record<string, number> = {}
      for (const { name } of queues) counts[name] = (await channel.checkQueue(name)).messageCount
      return counts
    } finally {
      await connection.close()
    }
  }

  async resources(): Promise<Record<string, Resources>> {
    const parts = [...this.apis, ...this.runnerParts].filter(({ lives }) => lives)
    return Object.fromEntries(await Promise.all(parts.map(async (part) => [part.name, await part.resources()])))
  }

  async story(): Promise<string> {
    const pods = await kubectl('get', 'pods', '-n', this.namespace, '-o', 'wide').catch(String)
    return [...[...this.apis, ...this.runnerParts].map((part) => part.complaints()), pods].join('\n')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.brokerProxy.pass()
    this.apiServer.pass()
    await Promise.all([...this.apis, ...this.runnerParts].map((part) => part[Symbol.asyncDispose]()))
    await this.#scope.disposeAsync()
  }
}
