/**
 * Run as a process: the api or the runner (ROLE) as on Kubernetes, with a real RabbitMQ (AMQP_URL), and nothing in place of the cluster: no results,
 * and one sandbox that runs its program for ever.
 */
import { createApp } from '../../api/app.ts'
import { DEFAULT_SETTINGS } from '../../api/deps.ts'
import { startServer } from '../../api/server.ts'
import { BrokerConfig } from '../../broker/config.ts'
import { connectConsumer } from '../../broker/consumer.ts'
import { connectPublisher } from '../../broker/publisher.ts'
import { ExecutionIds } from '../../core/ids.ts'
import { Languages } from '../../core/languages.ts'
import { LimitSettings } from '../../core/limits.ts'
import { systemClock as clock } from '../../core/time.ts'
import { startRunner } from '../../runner/service.ts'
import { createLog } from '../../telemetry/log.ts'
import { createMetrics } from '../../telemetry/metrics.ts'
import { startTelemetryServer } from '../../telemetry/server.ts'
import { FakeRecorder } from '../fakes/recorder.ts'
import { FakeRecords } from '../fakes/records.ts'
import { FakeSandboxProvider } from '../fakes/sandbox-provider.ts'

const host = '127.0.0.1'
const log = createLog({ name: 'soak', level: 'warn' })
const settings = BrokerConfig.parse(process.env)
const metrics = createMetrics()
await using scope = new AsyncDisposableStack()
if (process.env.ROLE === 'api') await startApi()
else await startTheRunner()
const ready = () => ({ ok: true })
scope.use(await startTelemetryServer({ host, port: Number(process.env.METRICS_PORT), ready, metrics }))
await new Promise((resolve) => process.once('SIGTERM', resolve))

async function startApi(): Promise<void> {
  const publisher = scope.use(await connectPublisher({ settings, languages: ['python'], log }))
  const { app } = createApp({
    ...{ publisher, records: new FakeRecords(), log, metrics, clock, settings: DEFAULT_SETTINGS },
    ...{ languages: new Languages([{ name: 'python', aliases: [] }]), limits: LimitSettings.parse({}) },
    ids: new ExecutionIds('a key for tests only'),
  })
  scope.use(await startServer({ app, host, port: Number(process.env.PORT), drainMs: 1_000 }))
}

async function startTheRunner(): Promise<void> {
  const consumer = scope.use(await connectConsumer({ settings, log }))
  const provider = new FakeSandboxProvider()
  provider.auto = () => {}
  const parts = { consumer, provider, recorder: new FakeRecorder(), metrics, log, clock }
  scope.use(await startRunner({ ...parts, languages: { python: { warm: 1, max: 1 } }, settings: { drainMs: 0 } }))
}
