import { describe, expect, it, vi } from 'vitest'
import { type ExecutionRecord, emptyResult, type FinalStatus } from '../core/execution.ts'
import type { Log } from '../core/log.ts'
import { FakeKube } from '../tests/fakes/kube.ts'
import { MemoryMetrics } from '../tests/fakes/metrics.ts'
import { type Answer, events, json, ScriptedApiServer } from '../tests/fakes/scripted-api-server.ts'
import { KubeError } from './kube-error.ts'
import { recordKey, recordPatch } from './record.ts'
import { watchRecords } from './records.ts'

const JOBS = '/apis/batch/v1/namespaces/boxes/jobs'
const id = (digit: string) => digit.repeat(48)

const record = (digit: string, status: FinalStatus = 'succeeded', stdout = ''): ExecutionRecord => ({
  version: 1,
  id: id(digit),
  language: 'python',
  languageVersion: null,
  acceptedAt: 1,
  startedAt: 2,
  finishedAt: 3,
  digest: '',
  result: { ...emptyResult(status), stdout },
})

/** A namespace with the given Jobs, and one replica that has read them. */
async function world(before: [job: string, metadata: object][] = [], cacheBytes = 1_000_000) {
  const kube = new FakeKube()
  const warnings: object[] = []
  const log: Log = { debug() {}, info() {}, warn: (fields) => warnings.push(fields), error() {}, child: () => log }
  const create = (name: string, metadata: object) =>
    kube.call({ method: 'POST', path: JOBS, body: { metadata: { name, ...metadata } } })
  const patch = (name: string, body: object) => kube.call({ method: 'PATCH', path: `${JOBS}/${name}`, body })
  const remove = (name: string) => kube.call({ method: 'DELETE', path: `${JOBS}/${name}` })
  for (const [name, metadata] of before) await create(name, metadata)
  const metrics = new MemoryMetrics()
  const config = { NAMESPACE: 'boxes', RECORD_CACHE_BYTES: cacheBytes }
  const records = watchRecords({ http: kube, config, log, metrics })
  await vi.waitFor(() => expect(kube.watching).toBe(1))
  const stop = () => records[Symbol.asyncDispose]()
  return { kube, records, create, patch, remove, warnings, metrics, [Symbol.asyncDispose]: stop }
}

const holding = (...records: ExecutionRecord[]) => ({
  labels: { 'runlet.dev/execution-id': records[0]?.id, 'runlet.dev/state': 'finished' },
  annotations: Object.assign({}, ...records.map((one) => recordPatch(one, 100_000).metadata.annotations)),
})
const runningLabels = (digit: string) => ({
  labels: { 'runlet.dev/execution-id': id(digit), 'runlet.dev/state': 'running' },
})
const final = (one: ExecutionRecord) => ({ status: 'final', record: one })

describe('find', () => {
  it('knows what was there before it started', async () => {
    await using run = await world([['a', holding(record('1'))]])
    expect(await run.records.find(id('1'), 0)).toEqual(final(record('1')))
    expect(await run.records.find(id('2'), 0)).toEqual({ status: 'queued' })
  })

  it('follows an execution through its life', async () => {
    await using run = await world()
    await run.create('a', runningLabels('1'))
    await vi.waitFor(async () => expect(await run.records.find(id('1'), 0)).toEqual({ status: 'running' }))
    await run.patch('a', recordPatch(record('1'), 100_000))
    expect(await run.records.find(id('1'), 5000)).toEqual(final(record('1')))
  })

  it('measures how late it knows what ends from now on, not what it finds when it starts', async () => {
    await using run = await world([['a', holding(record('1'))]])
    await run.create('b', holding({ ...record('2'), finishedAt: Date.now() }))
    expect(await run.records.find(id('2'), 5000)).toMatchObject({ status: 'final' })
    expect(run.metrics.get('runlet_watch_lag_seconds')).toBe(1)
  })

  it('measures that in seconds, and a node whose clock is ahead of ours as no lag', async () => {
    await using run = await world()
    await run.create('a', holding({ ...record('1'), finishedAt: Date.now() - 2_000 }))
    await run.create('b', holding({ ...record('2'), finishedAt: Date.now() + 60_000 }))
    await run.records.find(id('2'), 5000)
    const [late = 0, ahead] = run.metrics.observed.get('runlet_watch_lag_seconds') ?? []
    expect(late).toBeGreaterThanOrEqual(2)
    expect(late).toBeLessThan(60)
    expect(ahead).toBe(0)
  })

  it('finds each of several records on one Job', async () => {
    await using run = await world([['a', holding(record('1'), record('2', 'failed'))]])
    expect(await run.records.find(id('1'), 0)).toEqual(final(record('1')))
    expect(await run.records.find(id('2'), 0)).toEqual(final(record('2', 'failed')))
  })

  it('does not ask the API server for what it has in memory', async () => {
    await using run = await world([['a', holding(record('1'))]])
    const before = run.kube.calls.length
    for (let count = 0; count < 100; count++) await run.records.find(id('1'), 0)
    expect(run.kube.calls.length).toBe(before)
  })

  it('is refused until everything was read', async () => {
    const kube = new FakeKube()
    kube.fail = () => new KubeError(503, '', 'starting')
    const log: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log }
    const config = { NAMESPACE: 'boxes', RECORD_CACHE_BYTES: 1_000_000 }
    await using records = watchRecords({ http: kube, config, log })
    expect(records.synced).toBe(false)
    await expect(records.find(id('1'), 0)).rejects.toMatchObject({ code: 'store_unavailable' })
  })
})

describe('waiting', () => {
  it('ends with the record', async () => {
    await using run = await world()
    const waiting = Promise.all([run.records.find(id('1'), 60_000), run.records.find(id('1'), 60_000)])
    await run.create('a', holding(record('1')))
    expect(await waiting).toEqual([final(record('1')), final(record('1'))])
  })

  it('ends with its time', async () => {
    await using run = await world([['a', runningLabels('1')]])
    expect(await run.records.find(id('1'), 20)).toEqual({ status: 'running' })
  })

  it('ends with its caller', async () => {
    await using run = await world()
    const stop = new AbortController()
    const waiting = run.records.find(id('1'), 60_000, stop.signal)
    stop.abort()
    expect(await waiting).toEqual({ status: 'queued' })
  })

  it('ends with the process', async () => {
    const run = await world()
    const waiting = run.records.find(id('1'), 60_000)
    await run[Symbol.asyncDispose]()
    expect(await waiting).toEqual({ status: 'queued' })
  })
})

describe('bounded memory', () => {
  it('reads a body again that fell out of the cache, once for all who ask', async () => {
    const one = record('1', 'succeeded', 'x'.repeat(3000))
    const two = record('2', 'succeeded', 'y'.repeat(3000))
    const before: [string, object][] = [
      ['a', holding(one)],
      ['b', holding(two)],
    ]
    await using run = await world(before, 5000)
    const reads = () => run.kube.calls.filter(({ path }) => path === `${JOBS}/a`).length
    const found = await Promise.all([run.records.find(one.id, 0), run.records.find(one.id, 0)])
    expect(found).toEqual([final(one), final(one)])
    expect(reads()).toBe(1)
    expect(run.metrics.get('runlet_record_cache_bytes')).toBeLessThanOrEqual(5000)
    expect(run.metrics.get('runlet_records_indexed')).toBe(2)
  })

  it('says so when a body cannot be read again', async () => {
    await using run = await world([['a', holding(record('1', 'succeeded', 'x'.repeat(3000)))]], 1000)
    run.kube.fail = () => new KubeError(0, 'Unreachable', 'down')
    await expect(run.records.find(id('1'), 0)).rejects.toMatchObject({ code: 'store_unavailable' })
  })
})

describe('what others do to a Job', () => {
  it('does not change a result that was read', async () => {
    await using run = await world([['a', holding(record('1'))]])
    await run.records.find(id('1'), 0)
    await run.patch('a', { metadata: { annotations: { [recordKey(id('1'))]: JSON.stringify(record('1', 'failed')) } } })
    await run.create('b', holding(record('1', 'lost'), record('2')))
    await run.records.find(id('2'), 5000)
    expect(await run.records.find(id('1'), 0)).toEqual(final(record('1')))
  })

  it('expires a record that was removed, and is no surprise to those who wait', async () => {
    await using run = await world([['a', holding(record('1'))]])
    await run.remove('a')
    await vi.waitFor(() => expect(run.records.find(id('1'), 0)).rejects.toMatchObject({ code: 'execution_expired' }))
    await expect(run.records.find(id('1'), 60_000)).rejects.toMatchObject({ code: 'execution_expired' })
    expect(run.metrics.get('runlet_records_indexed')).toBe(0)
  })

  it('queues an execution again whose Job went away before its end', async () => {
    await using run = await world([['a', runningLabels('1')]])
    await run.remove('a')
    await vi.waitFor(async () => expect(await run.records.find(id('1'), 0)).toEqual({ status: 'queued' }))
  })

  it('says that a record cannot be read by this version, which another one wrote, and does not expire it', async () => {
    const text = JSON.stringify({ ...record('1'), version: 2 })
    await using run = await world([['a', { ...holding(record('1')), annotations: { [recordKey(id('1'))]: text } }]])
    await expect(run.records.find(id('1'), 0)).rejects.toMatchObject({ code: 'store_unavailable' })
  })

  it('expires a record that was edited beyond reading, with a line in the log', async () => {
    const broken = { ...holding(record('1')), annotations: { [recordKey(id('1'))]: '{"version":1' } }
    await using run = await world([['a', broken]])
    await expect(run.records.find(id('1'), 0)).rejects.toMatchObject({ code: 'execution_expired' })
    expect(run.warnings).toContainEqual({ id: id('1') })
  })
})

describe('a watch that breaks', () => {
  const listed = json({ metadata: { resourceVersion: '5' }, items: null })
  const open = events([], 'open')
  const gone = { type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' } }

  it('is begun anew when it was silent for as long as somebody waited in vain', async () => {
    const ended = { type: 'ADDED', object: { metadata: { name: 'a', resourceVersion: '6', ...holding(record('1')) } } }
    await using server = await ScriptedApiServer.start(listed, open, events([ended], 'open'), open)
    const log: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log }
    const config = { NAMESPACE: 'boxes', RECORD_CACHE_BYTES: 1_000_000 }
    await using records = watchRecords({ http: server.http, config, log, doubtMs: 50 })
    await vi.waitFor(() => expect(server.requests).toHaveLength(2))
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(await records.find(id('1'), 20)).toEqual({ status: 'queued' })
    expect(server.requests).toHaveLength(2)
    expect(await records.find(id('1'), 60)).toEqual({ status: 'queued' })
    expect(await records.find(id('1'), 5_000)).toEqual(final(record('1')))
  })

  it.each<[cause: string, answer: Answer, silenceMs: number]>([
    ['gone', events([gone], 'open'), 60_000],
    ['failed', json({ kind: 'Status', message: 'broken' }, 500), 60_000],
    ['silent', open, 200],
  ])('is counted with its cause: %s', async (cause, answer, silenceMs) => {
    await using server = await ScriptedApiServer.start(listed, answer, cause === 'gone' ? listed : open, open)
    const metrics = new MemoryMetrics()
    const log: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log }
    const clock = { monotonic: () => performance.now(), sleep: async () => undefined }
    const config = { NAMESPACE: 'boxes', RECORD_CACHE_BYTES: 1_000_000 }
    await using _records = watchRecords({ http: server.http, config, log, metrics, watch: { clock, silenceMs } })
    await vi.waitFor(() => expect(metrics.get('runlet_watch_restarts_total', cause)).toBeGreaterThan(0))
    const all = [...metrics.values.keys()].filter((name) => name.startsWith('runlet_watch_restarts_total'))
    expect(all).toEqual([`runlet_watch_restarts_total{${cause}}`])
  })
})
