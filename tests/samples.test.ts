import { createHash } from 'node:crypto'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { decodeEnvelope, decodeReply, encode, runProperties, scheduleProperties } from '../broker/messages.ts'
import type { Envelope, ExecutionRecord } from '../core/execution.ts'
import type { Reply, Verdict } from '../core/ports.ts'
import { systemClock } from '../core/time.ts'
import { HeldJob } from '../k8s/held-job.ts'
import { decodeRecord, type Metadata, recordTexts } from '../k8s/record.ts'
import { createRecorder } from '../k8s/recorder.ts'
import { LocalQueue } from '../local/queue.ts'
import { openDatabase } from '../local/sqlite.ts'
import { LocalStore } from '../local/store.ts'
import { WriteGroup } from '../local/write-group.ts'
import { createDeadLetterHandler } from '../runner/dead-letters.ts'
import { DEFAULT_SETTINGS } from '../runner/settings.ts'
import { tracePublisher } from '../telemetry/traced-queue.ts'
import { fakeApi } from './fakes/api.ts'
import { FakeClock } from './fakes/clock.ts'
import { FakeKube } from './fakes/kube.ts'
import { executionId, FakeRunner, settled, silentLog } from './fakes/local.ts'
import { MemoryMetrics } from './fakes/metrics.ts'
import { FakePublisher } from './fakes/publisher.ts'
import { FakeRecorder } from './fakes/recorder.ts'
import { FakeSandbox } from './fakes/sandbox.ts'
import { MemoryTracer } from './fakes/tracer.ts'

/**
 * What this and every earlier Runlet wrote where another version may read it: tests/fixtures/samples, one folder a kind, the newest last by name. A sample is
 * never changed. When a test here says that today's writer writes something else, that is a new form: add a sample beside the others (docs/adr/0013).
 */
const FOLDER = join(import.meta.dirname, 'fixtures/samples')

const samples = (kind: string) =>
  globSync(`${kind}/**/*.*`, { cwd: FOLDER })
    .sort()
    .map((name) => ({ name: basename(name), text: readFileSync(join(FOLDER, name), 'utf8').trimEnd() }))
const newest = (kind: string) => samples(kind).at(-1)?.text ?? ''

const ID = executionId(1)
const REQUEST = {
  language: 'py',
  code: 'print("ä😀", input())',
  stdin: 'line\n',
  args: ['-x', ''],
  env: { NAME: 'value' },
  files: [{ name: 'data/a.bin', content: 'AAE=', encoding: 'base64' }],
  limits: {
    ...{ wallTimeMs: 5_000, cpuTimeMs: 10_000, memoryBytes: 134_217_728, outputBytes: 65_536 },
    processes: 64,
  },
}

/** Through the API, with a key and a trace: all that an envelope may hold. */
async function writeEnvelope(): Promise<Envelope> {
  const publisher = new FakePublisher()
  const key = 'a-key-of-a-caller'
  const { post } = fakeApi(
    {
      apiKeys: [createHash('sha256').update(key).digest('hex')],
      callerLimits: { requests: 5, windowSeconds: 1, runs: 5, outstanding: 5 },
    },
    { publisher: tracePublisher(publisher, new MemoryTracer()) },
  )
  const { status } = await post('/api/schedule', REQUEST, { authorization: `Bearer ${key}` })
  expect(status).toBe(202)
  return { ...(publisher.scheduled[0] as Envelope), id: ID }
}

/** As a runner makes it, with a sandbox's result in it. */
async function writeRecord(): Promise<ExecutionRecord> {
  const recorder = new FakeRecorder()
  const clock = new FakeClock()
  const dependencies = { recorder, clock, metrics: new MemoryMetrics(), log: silentLog, recordRetryMs: [1] }
  const handle = createDeadLetterHandler({ ...dependencies, settings: DEFAULT_SETTINGS })
  const envelope = JSON.parse(newest('envelopes')) as Envelope
  expect(await handle({ envelope, redelivered: true })).toBe('ack')
  const lost = recorder.records.get(ID) as ExecutionRecord
  const output = { stdout: 'ä😀 line\n', stderr: '/w==', stderrEncoding: 'base64' } as const
  const used = { exitCode: 1, wallTimeMs: 12, cpuTimeMs: 10, memoryBytes: 9_000_000 }
  const times = { startedAt: clock.now() - 20, finishedAt: clock.now() - 5 }
  return {
    ...lost,
    languageVersion: '3.13.5',
    ...times,
    result: { ...lost.result, status: 'failed', ...output, ...used },
  }
}

/** What the Jobs of a cluster hold after one execution: by tier, and where its Job could not take the record. */
async function writeJobs(where: 'job' | 'nested' | 'own'): Promise<Record<string, Metadata>> {
  const record = JSON.parse(newest('records')) as ExecutionRecord
  const kube = new FakeKube()
  const clock = { ...systemClock, now: () => record.startedAt ?? 0 }
  const config = { NAMESPACE: 'boxes', NESTED_NAMESPACE: 'nested', RETENTION_SECONDS: 3600, RECORD_BYTES: 65_536 }
  const recorder = createRecorder({ http: kube, config, log: silentLog, clock })
  const path = `/apis/batch/v1/namespaces/${where === 'nested' ? 'nested' : 'boxes'}/jobs`
  await kube.call({ method: 'POST', path, body: { metadata: { name: 'a-job' } } })
  const sandbox = Object.assign(new FakeSandbox(), { job: new HeldJob('a-job', where === 'nested') })
  await recorder.record(record, where === 'own' ? undefined : sandbox)
  const jobs = kube.all('jobs').filter(({ metadata }) => metadata.annotations !== undefined)
  return Object.fromEntries(
    jobs.map(({ metadata: { name, labels, annotations } }) => [name, { labels, annotations } as Metadata]),
  )
}

function openQueue(database: DatabaseSync) {
  const writes = new WriteGroup(database, systemClock.monotonic)
  const common = { database, writes, log: silentLog, clock: systemClock }
  const queue = new LocalQueue({
    ...{ ...common, limits: { length: 10, bytes: 1_000_000 }, maxWaitingRuns: 1, deliveryLimit: 3 },
    ...{ requeueDelayMs: 1, retryMs: 1 },
  })
  return { queue, store: new LocalStore({ ...common, clock: new FakeClock(), retentionMs: 3_600_000 }) }
}

/** A data folder's database with an execution in each state, and a record. */
async function writeDatabase(): Promise<string> {
  using database = openDatabase(':memory:')
  const { queue, store } = openQueue(database)
  const runner = new FakeRunner()
  await queue.consume('python', 2, runner.handler)
  const envelope = JSON.parse(newest('envelopes')) as Envelope
  for (const number of [1, 2, 3]) await queue.schedule({ ...envelope, id: executionId(number) })
  ;(await runner.delivery(0)).answer('dead-letter' satisfies Verdict)
  await queue.consume('python', 0, runner.handler)
  await settled()
  await store.record({ ...(JSON.parse(newest('records')) as ExecutionRecord), id: executionId(4) })
  await store[Symbol.asyncDispose]()
  return dump(database)
}

/** As SQL that makes the same database again. */
function dump(database: DatabaseSync): string {
  const quoted = (value: unknown) => (typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value))
  const tables = database.prepare(
    `SELECT name, sql FROM sqlite_master WHERE sql NOT NULL AND name != 'sqlite_sequence'`,
  )
  const rows = ['executions', 'records'].flatMap((table) =>
    database
      .prepare(`SELECT * FROM ${table} ORDER BY id`)
      .all()
      .map((row) => `INSERT INTO ${table} VALUES (${Object.values(row).map(quoted).join(', ')});`),
  )
  const version = database.prepare('PRAGMA user_version').get()?.user_version
  return [...tables.all().map(({ sql }) => `${sql};`), ...rows, `PRAGMA user_version = ${version};`].join('\n')
}

describe('messages', () => {
  it.each(samples('envelopes'))('are read: $name', ({ text }) => {
    const decoded = decodeEnvelope(Buffer.from(text), 'python')
    expect(decoded).toMatchObject({ value: { id: ID, program: { ...REQUEST, language: 'python' } } })
  })

  it.each(samples('replies'))('that answer are read: $name', ({ text }) => {
    for (const reply of JSON.parse(text) as unknown[])
      expect(decodeReply(Buffer.from(JSON.stringify(reply)))).toEqual({ value: reply })
  })

  it('are written as the newest sample says', async () => {
    expect(JSON.stringify(JSON.parse(String(encode(await writeEnvelope()))))).toBe(newest('envelopes'))
    const { result } = JSON.parse(newest('records')) as ExecutionRecord
    const error = { code: 'no_capacity', message: 'No sandbox became free in time' } as const
    const replies: Reply[] = [
      { id: ID, result },
      { id: ID, result, timings: { claim: 0.4 } },
      { id: ID, error },
    ]
    expect(`[${replies.map((reply) => String(encode(reply))).join(',')}]`).toBe(newest('replies'))
    const properties = [scheduleProperties(ID, true), runProperties(ID, 'runlet.replies.a', 1_769_860_830_000)]
    expect(JSON.stringify(properties)).toBe(newest('properties'))
  })
})

describe('records', () => {
  it.each(samples('records'))('are read: $name', ({ text }) => {
    expect(decodeRecord(ID, text)).toMatchObject({ id: ID, result: { stdout: 'ä😀 line\n', exitCode: 1 } })
  })

  it.each(samples('jobs'))('are read from the Jobs that hold them: $name', ({ text }) => {
    const jobs = Object.values(JSON.parse(text) as Record<string, Metadata>)
    const found = jobs.flatMap(recordTexts).map(([id, record]) => decodeRecord(id, record))
    expect(found).toMatchObject([{ id: ID, result: { stdout: 'ä😀 line\n', exitCode: 1 } }])
  })

  it('are written as the newest sample says', async () => {
    expect(JSON.stringify(await writeRecord())).toBe(newest('records'))
    for (const where of ['job', 'nested', 'own'] as const)
      expect(JSON.stringify(await writeJobs(where), undefined, 1)).toBe(newest(`jobs/${where}`))
  })
})

describe('the data folder', () => {
  it.each(samples('databases'))('of an earlier version is used: $name', async ({ text }) => {
    const folder = mkdtempSync(join(tmpdir(), 'runlet-sample-'))
    try {
      const path = join(folder, 'runlet.db')
      new DatabaseSync(path).exec(text)
      using database = openDatabase(path)
      const { queue, store } = openQueue(database)
      const [runner, graveyard] = [new FakeRunner(), new FakeRunner()]
      await queue.consume('python', 5, runner.handler)
      await queue.consumeDeadLetters(graveyard.handler)
      expect(runner.received).toMatchObject([
        { envelope: { id: executionId(2), program: { code: REQUEST.code } }, redelivered: true },
        { envelope: { id: executionId(3), program: { code: REQUEST.code } }, redelivered: false },
      ])
      expect(graveyard.ids).toEqual([executionId(1)])
      expect(await store.find(executionId(4), 0)).toMatchObject({
        status: 'final',
        record: { result: { exitCode: 1 } },
      })
      await store[Symbol.asyncDispose]()
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('is written as the newest sample says', async () => {
    expect(await writeDatabase()).toBe(newest('databases'))
  })
})
