import { describe, expect, it } from 'vitest'
import { type ExecutionRecord, emptyResult } from '../core/execution.ts'
import type { Log } from '../core/log.ts'
import { FakeClock } from '../tests/fakes/clock.ts'
import { FakeKube } from '../tests/fakes/kube.ts'
import { HeldJob } from './held-job.ts'
import { Jobs } from './jobs.ts'
import { decodeRecord, recordKey, recordTexts } from './record.ts'
import { PAGE_BYTES, RecordGroup } from './record-group.ts'

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent }
const JOBS = '/apis/batch/v1/namespaces/nested/jobs'
const id = (count: number) => count.toString(16).padStart(48, '0')
const record = (count: number, stdout = ''): ExecutionRecord => ({
  ...{ version: 1, id: id(count), language: 'python', languageVersion: '3.13.5' },
  ...{ acceptedAt: 1, startedAt: 2, finishedAt: 3, digest: 'd' },
  result: { ...emptyResult(count % 2 ? 'failed' : 'succeeded'), stdout },
})
const hurried = { mayWrite: () => true, unhurried: false }
const unhurried = { ...hurried, unhurried: true }

async function world() {
  const kube = new FakeKube()
  await kube.call({ method: 'POST', path: JOBS, body: { metadata: { name: 'python-1' } } })
  const clock = new FakeClock()
  const job = new HeldJob('python-1', true)
  const sizes = { retentionSeconds: 600, recordBytes: 40_000, budgetMs: 1000 }
  const group = new RecordGroup({ job, jobs: new Jobs(kube, 'nested'), ...sizes, clock, log: silent })
  const writes = () => kube.calls.slice(1).map(({ method }) => method)
  let count = 0
  /** How many writes there are while so many more records are added and so much time goes by. */
  const written = async (records: number, milliseconds: number, writing = hurried) => {
    const before = writes().length
    for (let index = 0; index < records; index++) void group.add(record(count++), writing)
    await clock.advance(milliseconds)
    return writes().length - before
  }
  return { kube, clock, job, group, writes, written }
}

describe('RecordGroup', () => {
  it('writes a lone record at once, and what finishes soon after it together', async () => {
    const { group, clock, writes, kube, job } = await world()
    await group.add(record(0), hurried)
    const rest = [1, 2, 3].map((count) => group.add(record(count), hurried))
    await clock.advance(250)
    expect(await Promise.all(rest)).toEqual([true, true, true])
    expect(writes()).toEqual(['PATCH', 'PATCH'])
    const { labels, annotations } = kube.all('jobs')[0]?.metadata ?? {}
    expect(labels).toMatchObject({
      'runlet.dev/executions': '4',
      'runlet.dev/succeeded': '2',
      'runlet.dev/unsuccessful': '2',
    })
    expect(labels?.[`runlet.dev/execution-${id(1)}`]).toBe('failed')
    expect(decodeRecord(id(3), annotations?.[recordKey(id(3))] ?? '')).toEqual(record(3))
    expect(job.holdsRecord).toBe(true)
  })

  it('writes the more often the more there is to write', async () => {
    const { written } = await world()
    expect(await written(1, 0)).toBe(1)
    expect(await written(7, 249)).toBe(0)
    expect(await written(1, 1)).toBe(1)
    expect(await written(1, 99)).toBe(0)
    expect(await written(0, 1)).toBe(1)
  })

  it('lets records that nobody waits for wait for each other, but not when there are plenty or one of the others comes', async () => {
    const { written, clock } = await world()
    expect(await written(1, 0, unhurried)).toBe(1)
    expect(await written(1, 500, unhurried)).toBe(0)
    expect(await written(5, 499, unhurried)).toBe(0)
    expect(await written(5, 1, unhurried)).toBe(1)
    expect(await written(5, 200, unhurried)).toBe(0)
    expect(await written(1, 0)).toBe(1)
    expect(await written(24, 99, unhurried)).toBe(0)
    expect(await written(0, 1, unhurried)).toBe(1)
    expect(clock.sleeping).toBe(0)
  })

  it('goes on with Jobs that hold records only when the first has its share', async () => {
    const { group, clock, kube } = await world()
    const adding = [0, 1, 2].map((count) => group.add(record(count, 'x'.repeat(PAGE_BYTES * 0.7)), hurried))
    await clock.advance(500)
    expect(await Promise.all(adding)).toEqual([true, true, true])
    const jobs = kube.all('jobs')
    expect(jobs.map(({ metadata }) => metadata.name)).toEqual(['python-1', 'python-1-records-1', 'python-1-records-2'])
    expect(jobs.map(({ metadata }) => recordTexts(metadata).map(([of]) => of))).toEqual([[id(0)], [id(1)], [id(2)]])
    expect(jobs[1]?.metadata.labels).toMatchObject({ 'runlet.dev/state': 'finished', 'runlet.dev/ran-on': 'python-1' })
  })

  it('finds another Job where its own is gone', async () => {
    const { group, kube } = await world()
    await kube.call({ method: 'DELETE', path: `${JOBS}/python-1` })
    expect(await group.add(record(0), hurried)).toBe(true)
    expect(kube.all('jobs').map(({ metadata }) => metadata.name)).toEqual(['python-1-records-1'])
  })

  it('writes nothing that may not be written any more', async () => {
    const { group, writes } = await world()
    expect(await group.add(record(0), { mayWrite: () => false })).toBe(false)
    expect(writes()).toEqual([])
  })

  it('says that an execution runs until its record says more', async () => {
    const { group, kube, clock } = await world()
    group.mark(id(0))
    await clock.advance(1_000)
    const status = () => kube.all('jobs')[0]?.metadata.labels?.[`runlet.dev/execution-${id(0)}`]
    expect(status()).toBe('running')
    await group.add(record(0), hurried)
    await clock.advance(5_000)
    expect(status()).toBe('succeeded')
  })

  it('says so no more where the record stands on another Job', async () => {
    const { group, kube, clock } = await world()
    group.mark(id(1))
    await clock.advance(1_000)
    const adding = [0, 1].map((count) => group.add(record(count, 'x'.repeat(PAGE_BYTES * 0.7)), hurried))
    await clock.advance(5_000)
    expect(await Promise.all(adding)).toEqual([true, true])
    const [first, second] = kube.all('jobs').map(({ metadata }) => metadata.labels ?? {})
    expect(first).not.toHaveProperty([`runlet.dev/execution-${id(1)}`])
    expect(second?.[`runlet.dev/execution-${id(1)}`]).toBe('failed')
  })
})
