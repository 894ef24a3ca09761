import { connectConsumer } from '../broker/consumer.ts'
import { ConfigError, readConfig } from '../core/config.ts'
import { toError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { aborted, systemClock } from '../core/time.ts'
import { createKubeHttp, missingPermissions } from '../k8s/client.ts'
import { EventWriter } from '../k8s/events.ts'
import { removeFormerLife } from '../k8s/former-life.ts'
import type { KubeHttp } from '../k8s/http.ts'
import { Janitor } from '../k8s/janitor.ts'
import { createProvider } from '../k8s/provider.ts'
import { createRecorder } from '../k8s/recorder.ts'
import { RunnerLease } from '../k8s/runner-lease.ts'
import { sandboxNamespaces } from '../k8s/settings.ts'
import { createLog } from '../telemetry/log.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { openTraces } from '../telemetry/open-traces.ts'
import { startTelemetryServer } from '../telemetry/server.ts'
import { traceConsumer } from '../telemetry/traced-queue.ts'
import { RunnerConfig } from './config.ts'
import { createHeldNotifier } from './held-event.ts'
import { type Progress, readinessOf, waitForAccess } from './readiness.ts'
import { startRunner } from './service.ts'
import type { RunnerSettings } from './settings.ts'

/** Beyond the provider's own deadline: it also removes what it could not start. */
const START_MARGIN_MS = 60_000

/** One runner on Kubernetes. It shares nothing with the others but the queue. */
async function main(config: RunnerConfig, log: Log): Promise<void> {
  const stop = new AbortController()
  // Once: a second signal ends the process at once.
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort())
  const { NAMESPACE: namespace, RUNNER_NAME: runner } = config
  const languages = Object.keys(config.LANGUAGES)
  const progress: Progress = { refused: 'Kubernetes has not been asked yet' }
  const metrics = createMetrics()
  const clock = systemClock

  await using scope = new AsyncDisposableStack()
  const tracer = scope.use(await openTraces({ config, service: 'runlet-runner', instance: runner, log }))
  const ready = () => readinessOf(progress, { languages, draining: stop.signal })
  scope.use(await startTelemetryServer({ host: config.HOST, port: config.METRICS_PORT, ready, metrics }))
  const http = scope.use(createKubeHttp())
  await waitForAccess({
    missing: (signal) => missingAccess(http, config, signal),
    onRefused: (reason) => {
      progress.refused = reason
    },
    ...{ clock, log, signal: stop.signal },
  })
  progress.refused = undefined
  scope.use(await RunnerLease.hold({ http, namespace, runner, log }))
  await removeFormerLife({ http, namespaces: sandboxNamespaces(config), runner, log })
  const { tell } = scope.use(new EventWriter({ http, component: 'runlet-runner', metrics, log, clock }))
  const provider = scope.use(
    createProvider({
      ...{ http, config, runner, metrics, log, languages: config.LANGUAGES },
      tell: config.JOB_EVENTS ? tell : undefined,
    }),
  )
  const recorder = createRecorder({ http, config, log })
  const consumer = scope.use(await connectConsumer({ settings: config, log, name: runner }))
  progress.consumer = consumer
  progress.runner = scope.use(
    await startRunner({
      ...{ provider, recorder, metrics, log, clock },
      consumer: tracer ? traceConsumer(consumer, tracer) : consumer,
      languages: settingsOf(config, (language) => language.pool),
      settings: runnerSettings(config),
      notify: createHeldNotifier({ tell, namespace, runner }),
    }),
  )
  scope.use(new Janitor({ http, config, log, metrics }))
  log.info({ runner, languages }, 'The runner takes executions')
  await aborted(stop.signal)
}

async function missingAccess(http: KubeHttp, config: RunnerConfig, signal: AbortSignal): Promise<string[]> {
  const { NAMESPACE, NESTED_NAMESPACE } = config
  const missing = await missingPermissions(http, 'runner', NAMESPACE, signal)
  if (NESTED_NAMESPACE === undefined) return missing
  return [...missing, ...(await missingPermissions(http, 'nested', NESTED_NAMESPACE, signal))]
}

type LanguageSettings = RunnerConfig['LANGUAGES'][string]

function settingsOf<Part>(config: RunnerConfig, part: (language: LanguageSettings) => Part): Record<string, Part> {
  return Object.fromEntries(Object.entries(config.LANGUAGES).map(([name, settings]) => [name, part(settings)]))
}

function runnerSettings(config: RunnerConfig): Partial<RunnerSettings> {
  return {
    drainMs: config.DRAIN_SECONDS * 1000,
    timings: config.TIMINGS,
    refillAtOnce: config.REFILL_AT_ONCE,
    maxIdleMs: config.MAX_IDLE_SECONDS * 1000,
    startDeadlineMs: config.START_DEADLINE_MS + START_MARGIN_MS,
    // The recorder tries for half a minute itself.
    recordRetryMs: [1_000],
  }
}

try {
  const config = readConfig(RunnerConfig, process.env)
  const log = createLog({ name: 'runner', level: config.LOG_LEVEL })
  await main(config, log).catch((error: unknown) => {
    if (toError(error).name === 'AbortError') return
    log.error({ error }, 'The runner failed')
    process.exitCode = 1
  })
} catch (thrown) {
  const error = toError(thrown)
  process.stderr.write(`runner: ${error instanceof ConfigError ? error.message : error.stack}\n`)
  process.exitCode = 1
}
