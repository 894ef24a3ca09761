import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import { createApp } from '../api/app.ts'
import { apiSettings } from '../api/config.ts'
import { startServer } from '../api/server.ts'
import { ExecutionIds } from '../core/ids.ts'
import { Languages } from '../core/languages.ts'
import type { Log } from '../core/log.ts'
import { systemClock as clock } from '../core/time.ts'
import type { Tracer } from '../core/trace.ts'
import { type Runner, startRunner } from '../runner/service.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { traceConsumer, tracePublisher } from '../telemetry/traced-queue.ts'
import { BubblewrapProvider } from './bubblewrap.ts'
import type { Host, Identity } from './bubblewrap-command.ts'
import type { LocalConfig } from './config.ts'
import { openDataFolder } from './data-folder.ts'
import { chooseIdentities, findBubblewrap, readRootFolders } from './host.ts'
import { findLanguages, type LocalLanguage } from './languages.ts'
import { endLeftSandboxes } from './left-sandboxes.ts'
import { PreflightError, preflight, readKernelFacts } from './preflight.ts'
import { LocalQueue } from './queue.ts'
import { prepareSandboxFiles } from './sandbox-files.ts'
import { openDatabase } from './sqlite.ts'
import { LocalStore } from './store.ts'
import { WriteGroup } from './write-group.ts'

const REQUEUE_DELAY_MS = 1_000
const RETRY_MS = 5_000

/** A sandbox takes 50 to 100 ms to start; on a machine that is overwhelmed, much more. Below the runner's own deadline of 180 s. */
const START_TIMEOUT_MS = 30_000

export interface StartOptions {
  config: LocalConfig
  log: Log
  /** The environment's PATH: where bubblewrap is looked for. */
  path: string
  /** Absolute path of the folder `images`. */
  images: string
  /** Absolute path of the Node that runs JavaScript guests. */
  node: string
  /** When it aborts, those who wait for results are answered at once. */
  draining: AbortSignal
  /** Executions are traced where there is one. */
  tracer?: Tracer | undefined
}

export interface Local extends AsyncDisposable {
  readonly url: string
  readonly languages: readonly LocalLanguage[]
}

/**
 * Starts everything in this process: queue and store, sandboxes, runner, HTTP server; disposing ends them in reverse.
 * @throws PreflightError when programs could not be run confined here
 */
export async function startLocal(options: StartOptions): Promise<Local> {
  const { config, log, draining, tracer } = options
  const found = await inspectHost(options)
  const { languages } = found
  await using scope = new AsyncDisposableStack()
  const state = openState(scope, config, log)
  const provider = scope.use(await openProvider(options, found, state.folder.images))
  const metrics = createMetrics()
  const settings = { drainMs: config.DRAIN_SECONDS * 1000, timings: config.TIMINGS }
  const pools = poolSizes(config, languages)
  const consumer = tracer ? traceConsumer(state.queue, tracer) : state.queue
  const ports = { consumer, provider, recorder: state.store }
  const runner = scope.use(await startRunner({ ...ports, languages: pools, metrics, log, clock, settings }))
  const { app } = createApp({
    ...{ records: state.store, clock, log, metrics, metricsText: metrics, draining, tracer },
    publisher: tracer ? tracePublisher(state.queue, tracer) : state.queue,
    ...{ languages: new Languages(languages), limits: config.LIMITS, ids: new ExecutionIds(state.folder.idKey) },
    settings: apiSettings(config),
    versions: () => Object.fromEntries(languages.map(({ name, version }) => [name, version])),
    ready: () => readiness(runner, Object.keys(pools)),
  })
  const { HOST: host, PORT: port } = config
  const server = scope.use(await startServer({ app, host, port, drainMs: settings.drainMs }))
  const owned = scope.move()
  return { url: server.url, languages, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** What outlasts the process: the data folder, and queue and store in it. */
function openState(scope: AsyncDisposableStack, config: LocalConfig, log: Log) {
  const folder = openDataFolder(config.DATA_DIR)
  const database = scope.use(openDatabase(folder.database))
  const writes = new WriteGroup(database, clock.monotonic)
  const common = { database, writes, log, clock }
  const store = scope.use(new LocalStore({ ...common, retentionMs: config.RETENTION_SECONDS * 1000 }))
  const queue = scope.use(new LocalQueue({ ...common, ...queueSettings(config) }))
  return { folder, store, queue }
}

/** After the state: its database keeps a second process off the folder that is written here, and whose left sandboxes are ended. */
async function openProvider({ images, log }: StartOptions, { host, identity, languages }: Found, copy: string) {
  await endLeftSandboxes(copy, log)
  await prepareSandboxFiles(images, copy)
  return new BubblewrapProvider({
    ...{ host: { ...host, images: copy, agent: 'agent.pyc' }, identity, log },
    folders: new Map(languages.map(({ name, folder }) => [name, folder])),
    startTimeoutMs: START_TIMEOUT_MS,
  })
}

interface Found {
  host: Host
  identity: () => Identity
  languages: LocalLanguage[]
}

async function inspectHost({ config, path, images, node, log }: StartOptions): Promise<Found> {
  const tmpBytes = config.LIMITS.memoryBytes.maximum
  const host: Host = { bwrap: findBubblewrap(path), images, node, rootFolders: readRootFolders(), tmpBytes }
  const identity = chooseIdentities()
  await preflight(host, identity(), readKernelFacts())
  const languages = await findLanguages(images, `${dirname(node)}:/usr/bin:/bin:/usr/local/bin`, log)
  if (languages.length === 0) throw new PreflightError('None of the languages in images/ has its interpreter here.')
  return { host, identity, languages }
}

function poolSizes({ WARM, MAX }: LocalConfig, languages: readonly LocalLanguage[]) {
  const max = MAX ?? Math.max(4, 2 * availableParallelism())
  return Object.fromEntries(languages.map(({ name }) => [name, { warm: Math.min(WARM, max), max }]))
}

function queueSettings(config: LocalConfig) {
  return {
    limits: { length: config.QUEUE_MAX_LENGTH, bytes: config.QUEUE_MAX_BYTES },
    maxWaitingRuns: config.RUN_QUEUE_MAX_LENGTH,
    deliveryLimit: config.DELIVERY_LIMIT + 1,
    requeueDelayMs: REQUEUE_DELAY_MS,
    retryMs: RETRY_MS,
  }
}

function readiness(runner: Runner, languages: readonly string[]) {
  const held = languages.filter((language) => runner.capacity(language).held !== undefined)
  return held.length === 0 ? { ok: true } : { ok: false, reason: `No sandboxes can be started for ${held.join(', ')}` }
}
