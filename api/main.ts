import { connectPublisher } from '../broker/publisher.ts'
import { ConfigError, readConfig } from '../core/config.ts'
import { toError } from '../core/errors.ts'
import { ExecutionIds } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import { aborted, systemClock } from '../core/time.ts'
import { createKubeHttp, missingPermissions } from '../k8s/client.ts'
import { Jobs } from '../k8s/jobs.ts'
import { seenVersion } from '../k8s/language-version.ts'
import { watchRecords } from '../k8s/records.ts'
import { sandboxNamespaces } from '../k8s/settings.ts'
import { createLog } from '../telemetry/log.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { openTraces } from '../telemetry/open-traces.ts'
import { startTelemetryServer } from '../telemetry/server.ts'
import { tracePublisher } from '../telemetry/traced-queue.ts'
import { createApp } from './app.ts'
import { ApiConfig, apiSettings } from './config.ts'
import { createReadiness } from './readiness.ts'
import { startServer } from './server.ts'
import { rememberVersions } from './versions.ts'

/** What a run may take beyond its wait, so that it is answered before the server closes. */
const DRAIN_MARGIN_MS = 5_000

/** One replica of the API on Kubernetes. It keeps nothing: any number of them work side by side. */
async function main(config: ApiConfig, log: Log): Promise<void> {
  const stop = new AbortController()
  // Once: a second signal ends the process at once.
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort())
  const languages = config.LANGUAGES
  const names = languages.all.map(({ name }) => name)
  const metrics = createMetrics()

  await using scope = new AsyncDisposableStack()
  const tracer = scope.use(await openTraces({ config, service: 'runlet-api', log }))
  const http = scope.use(createKubeHttp())
  const records = scope.use(watchRecords({ http, config, log, metrics }))
  const retentionMs = config.RETENTION_SECONDS * 1000
  const publisher = scope.use(await connectPublisher({ settings: config, languages: names, log, retentionMs }))
  const ready = createReadiness({ records, publisher, draining: stop.signal })
  const jobs = sandboxNamespaces(config).map((name) => new Jobs(http, name))
  const { app } = createApp({
    ...{ records, languages, log, metrics, ready, tracer },
    publisher: tracer ? tracePublisher(publisher, tracer) : publisher,
    ...{ limits: config.LIMITS, ids: new ExecutionIds(config.ID_KEY), clock: systemClock, draining: stop.signal },
    settings: apiSettings(config),
    versions: rememberVersions({ languages: names, look: (name) => seenVersion(jobs, name), clock: systemClock, log }),
  })
  // Before the server and so disposed of after it: probes see it drain.
  scope.use(await startTelemetryServer({ host: config.HOST, port: config.METRICS_PORT, ready, metrics }))
  const drainMs = config.RUN_WAIT_MS + DRAIN_MARGIN_MS
  const server = scope.use(await startServer({ app, host: config.HOST, port: config.PORT, drainMs }))
  log.info({ port: server.port, languages: names }, 'The API listens')
  await warnOfMissingPermissions(missingPermissions(http, 'api', config.NAMESPACE, stop.signal), log)
  await aborted(stop.signal)
  log.info({}, 'The API stops: it finishes what it has begun')
}

/** An operator reads this in the log where the watch only says that it was refused. */
async function warnOfMissingPermissions(asked: Promise<string[]>, log: Log): Promise<void> {
  try {
    const missing = await asked
    if (missing.length > 0) log.error({ missing }, 'The service account lacks permissions')
  } catch (error) {
    log.warn({ error }, 'The API server could not be asked for our permissions')
  }
}

try {
  const config = readConfig(ApiConfig, process.env)
  const log = createLog({ name: 'api', level: config.LOG_LEVEL })
  await main(config, log).catch((error: unknown) => {
    log.error({ error }, 'The API failed')
    process.exitCode = 1
  })
} catch (thrown) {
  const error = toError(thrown)
  process.stderr.write(`api: ${error instanceof ConfigError ? error.message : error.stack}\n`)
  process.exitCode = 1
}
