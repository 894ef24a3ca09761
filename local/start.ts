import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import { createApp } from '../api/app.ts'
import type { ApiDeps } from '../api/deps.ts'
import { startServer } from '../api/server.ts'
import { ExecutionIds } from '../core/ids.ts'
import { Languages } from '../core/languages.ts'
import type { Log } from '../core/log.ts'
import { systemClock } from '../core/time.ts'
import { type Runner, startRunner } from '../runner/service.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { BubblewrapProvider } from './bubblewrap.ts'
import type { Host } from './bubblewrap-command.ts'
import type { LocalConfig } from './config.ts'
import { openDataFolder } from './data-folder.ts'
import { chooseIdentities, findBubblewrap, readRootFolders } from './host.ts'
import { findLanguages, type LocalLanguage } from './languages.ts'
import { PreflightError, preflight, readKernelFacts } from './preflight.ts'
import { LocalQueue } from './queue.ts'
import { openDatabase } from './sqlite.ts'
import { LocalStore } from './store.ts'
import { WriteGroup } from './write-group.ts'

const DEAD_RETRY_MS = 5_000

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
  const { config, log, draining } = options
  const { host, identity, languages } = await inspectHost(options)
  await using scope = new AsyncDisposableStack()
  const clock = systemClock
  const { database: file, idKey } = openDataFolder(config.DATA_DIR)
  const database = scope.use(openDatabase(file))
  const writes = new WriteGroup(database, clock.monotonic)
  const store = scope.use(
    new LocalStore({ database, writes, log, clock, retentionMs: config.RETENTION_SECONDS * 1000 }),
  )
  const queue = scope.use(new LocalQueue({ database, writes, log, clock, ...queueSettings(config) }))
  const folders = new Map(languages.map(({ name, folder }) => [name, folder]))
  const provider = scope.use(new BubblewrapProvider({ host, identity, folders, log, startTimeoutMs: START_TIMEOUT_MS }))
  const metrics = createMetrics()
  const settings = { drainMs: config.DRAIN_SECONDS * 1000, timings: config.TIMINGS }
  const pools = poolSizes(config, languages)
  const ports = { consumer: queue, provider, recorder: store }
  const runner = scope.use(await startRunner({ ...ports, languages: pools, metrics, log, clock, settings }))
  const { app } = createApp({
    ...{ publisher: queue, records: store, clock, log, metrics, metricsText: metrics, draining },
    ...{ languages: new Languages(languages), limits: config.LIMITS, ids: new ExecutionIds(idKey) },
    settings: apiSettings(config),
    versions: () => Object.fromEntries(languages.map(({ name, version }) => [name, version])),
    ready: () => readiness(runner, Object.keys(pools)),
  })
  const server = scope.use(
    await startServer({ app, host: config.HOST, port: config.PORT, drainMs: config.DRAIN_SECONDS * 1000 }),
  )
  const owned = scope.move()
  return { url: server.url, languages, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

async function inspectHost({ config, path, images, node, log }: StartOptions) {
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
    deadRetryMs: DEAD_RETRY_MS,
  }
}

function apiSettings(config: LocalConfig): ApiDeps['settings'] {
  return {
    maxBodyBytes: config.MAX_BODY_BYTES,
    runWaitMs: config.RUN_WAIT_MS,
    maxCheckWaitMs: config.MAX_CHECK_WAIT_MS,
    retentionSeconds: config.RETENTION_SECONDS,
    timings: config.TIMINGS,
    apiKeys: config.API_KEY_HASHES,
  }
}

function readiness(runner: Runner, languages: readonly string[]) {
  const held = languages.filter((language) => runner.capacity(language).held !== undefined)
  return held.length === 0 ? { ok: true } : { ok: false, reason: `No sandboxes can be started for ${held.join(', ')}` }
}
