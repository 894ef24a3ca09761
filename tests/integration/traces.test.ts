import { expect, inject, it } from 'vitest'
import { systemClock as clock } from '../../core/time.ts'
import { startRunner } from '../../runner/service.ts'
import { openTraces } from '../../telemetry/open-traces.ts'
import { traceConsumer, tracePublisher } from '../../telemetry/traced-queue.ts'
import { fakeApi } from '../fakes/api.ts'
import { MemoryMetrics } from '../fakes/metrics.ts'
import { FakeRecorder } from '../fakes/recorder.ts'
import { resultFrame } from '../fakes/sandbox.ts'
import { FakeSandboxProvider } from '../fakes/sandbox-provider.ts'
import { BrokerWorld, until } from '../helpers/broker-world.ts'
import { type CollectedSpan, type OtlpCollector, startOtlpCollector } from '../helpers/otlp-collector.ts'

/** What no span may hold. */
const SECRET = 'd3b07384'
const PROGRAM = { language: 'python', code: `print("${SECRET}")`, stdin: SECRET, args: [SECRET], env: { KEY: SECRET } }
const CALLER = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' }
const TRACEPARENT = `00-${CALLER.traceId}-${CALLER.spanId}-01`

/** An API and a runner on a RabbitMQ, each with traces of its own, as two processes have. Disposing of it sends what they have. */
async function arrange(collector: OtlpCollector, ratio = 1) {
  await using scope = new AsyncDisposableStack()
  const world = scope.use(await BrokerWorld.open(inject('amqpUrl')))
  const config = { TRACES_ENDPOINT: collector.endpoint, TRACES_RATIO: ratio }
  const open = async (service: string) => {
    const traces = await openTraces({ config, service, log: world.log })
    if (traces === undefined) throw new Error('Traces are off')
    return scope.use(traces)
  }
  const [ofApi, ofRunner] = [await open('runlet-api'), await open('runlet-runner')]
  const provider = new FakeSandboxProvider()
  provider.auto = (frame, sandbox) => {
    if (frame.type === 'execute') queueMicrotask(() => sandbox.say(resultFrame(frame.id)))
  }
  const recorder = new FakeRecorder()
  const consumer = traceConsumer(await world.consumer(), ofRunner)
  scope.use(
    await startRunner({
      ...{ consumer, provider, recorder, clock, log: world.log, metrics: new MemoryMetrics() },
      languages: { python: { warm: 1, max: 2 } },
    }),
  )
  const publisher = tracePublisher(await world.publisher(), ofApi)
  const { post } = fakeApi({}, { publisher, tracer: ofApi, clock })
  const owned = scope.move()
  return { post, recorder, world, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** Each span by its name, with the name of its parent. */
function tree(spans: readonly CollectedSpan[]): Record<string, string | undefined> {
  const nameOf = (id: string | undefined) => spans.find(({ spanId }) => spanId === id)?.name ?? id
  return Object.fromEntries(
    spans.map(({ service, name, parentSpanId }) => [`${service}: ${name}`, nameOf(parentSpanId)]),
  )
}

const OF_RUNNER = {
  'runlet-runner: wait for a turn': 'execute python',
  'runlet-runner: claim a sandbox': 'execute python',
  'runlet-runner: run in the sandbox': 'execute python',
  'runlet-runner: record': 'execute python',
}

it('follows a run from the request of its caller through RabbitMQ and the runner to the sandbox and back', async () => {
  await using collector = await startOtlpCollector()
  const { id } = await (async () => {
    await using running = await arrange(collector)
    const { status, body } = await running.post('/api/run', PROGRAM, { traceparent: TRACEPARENT })
    expect(status).toBe(200)
    await until(() => running.recorder.records.size === 1)
    return body
  })()
  expect(new Set(collector.spans.map(({ traceId }) => traceId))).toEqual(new Set([CALLER.traceId]))
  expect(tree(collector.spans)).toEqual({
    'runlet-api: POST /api/run': CALLER.spanId,
    'runlet-api: run python': 'POST /api/run',
    'runlet-runner: execute python': 'run python',
    ...OF_RUNNER,
  })
  const byName = new Map(collector.spans.map((span) => [span.name, span]))
  expect(byName.get('POST /api/run')?.attributes).toMatchObject({
    ...{ 'http.request.method': 'POST', 'http.route': '/api/run', 'http.response.status_code': 200 },
    'runlet.execution.id': id,
  })
  expect(byName.get('run in the sandbox')?.attributes).toMatchObject({
    ...{ 'runlet.sandbox': 'python-1', 'runlet.status': 'succeeded' },
  })
  for (const { startTimeUnixNano, endTimeUnixNano } of collector.spans)
    expect(BigInt(endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(startTimeUnixNano))
  expect(collector.text).not.toContain(SECRET)
})

it('follows a scheduled execution, and begins a trace of its own where the caller sent none or nonsense', async () => {
  await using collector = await startOtlpCollector()
  await (async () => {
    await using running = await arrange(collector)
    const { status } = await running.post('/api/schedule', PROGRAM, { traceparent: `${TRACEPARENT}-more` })
    expect(status).toBe(202)
    await until(() => running.recorder.records.size === 1)
  })()
  const [first] = collector.spans
  expect(new Set(collector.spans.map(({ traceId }) => traceId))).toEqual(new Set([first?.traceId]))
  expect(first?.traceId).not.toBe(CALLER.traceId)
  expect(tree(collector.spans)).toEqual({
    'runlet-api: POST /api/schedule': undefined,
    'runlet-api: schedule python': 'POST /api/schedule',
    'runlet-runner: execute python': 'schedule python',
    ...OF_RUNNER,
  })
})

it('traces the share that it was told to, whole or not at all', async () => {
  await using collector = await startOtlpCollector()
  await (async () => {
    await using running = await arrange(collector, 0)
    await running.post('/api/run', PROGRAM)
    await running.post('/api/run', PROGRAM, { traceparent: TRACEPARENT })
    await until(() => running.recorder.records.size === 2)
  })()
  expect(new Set(collector.spans.map(({ traceId }) => traceId))).toEqual(new Set([CALLER.traceId]))
  expect(collector.spans).toHaveLength(7)
})

it('runs everything all the same when the collector refuses what it is sent, and says so once', async () => {
  await using collector = await startOtlpCollector(400)
  const log = await (async () => {
    await using running = await arrange(collector)
    for (let count = 0; count < 3; count++) expect((await running.post('/api/run', PROGRAM)).status).toBe(200)
    return running.world.log
  })()
  const said = log.of('warn').filter((message) => message === 'Traces could not be sent')
  // Once for each of the two processes.
  expect(said).toHaveLength(2)
})
