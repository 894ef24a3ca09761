import { describe, expect, it } from 'vitest'
import type { Log } from '../core/log.ts'
import { FakeClock } from '../tests/fakes/clock.ts'
import { FakeKube } from '../tests/fakes/kube.ts'
import { HeldJob } from './held-job.ts'
import { Jobs } from './jobs.ts'
import { KubeError } from './kube-error.ts'
import { RunningMarks } from './running-marks.ts'

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent }
const JOBS = '/apis/batch/v1/namespaces/nested/jobs'

async function world() {
  const kube = new FakeKube()
  await kube.call({ method: 'POST', path: JOBS, body: { metadata: { name: 'python-1' } } })
  const clock = new FakeClock()
  const job = new HeldJob('python-1', true)
  const marks = new RunningMarks({ job, jobs: new Jobs(kube, 'nested'), clock, log: silent })
  const labels = () => Object.entries(kube.all('jobs')[0]?.metadata.labels ?? {})
  const writes = () => kube.calls.length - 1
  return { kube, clock, job, marks, labels, writes }
}

describe('marks of what runs', () => {
  it('are written together, a second after the first of them', async () => {
    const { marks, clock, labels, writes } = await world()
    marks.set('a')
    await clock.advance(500)
    for (const id of ['b', 'c']) marks.set(id)
    await clock.advance(499)
    expect(writes()).toBe(0)
    await clock.advance(1)
    expect([writes(), labels().length]).toEqual([1, 3])
    await clock.advance(2_000)
    expect([writes(), clock.sleeping]).toEqual([1, 0])
  })

  it('are not written of what has ended meanwhile', async () => {
    const { marks, clock, labels, writes } = await world()
    for (const id of ['a', 'b']) marks.set(id)
    marks.clear('b', false)
    await clock.advance(1_000)
    expect(labels()).toEqual([['runlet.dev/execution-a', 'running']])
    marks.set('c')
    marks.clear('c', true)
    await clock.advance(2_000)
    expect(writes()).toBe(1)
  })

  it('are not written over a record whose write is on its way', async () => {
    const { marks, clock, job, labels } = await world()
    const write = Promise.withResolvers<void>()
    const recorded = job.inOrder(async () => {
      await write.promise
      marks.clear('a', true)
    })
    marks.set('a')
    await clock.advance(1_000)
    write.resolve()
    await recorded
    await clock.advance(2_000)
    expect(labels()).toEqual([])
  })

  it('are taken back where nothing takes their place', async () => {
    const { marks, clock, labels, writes } = await world()
    for (const id of ['a', 'b']) marks.set(id)
    await clock.advance(1_000)
    for (let again = 0; again < 2; again++) {
      marks.clear('a', false)
      marks.clear('b', true)
    }
    await clock.advance(1_000)
    expect(labels()).toEqual([['runlet.dev/execution-b', 'running']])
    expect(writes()).toBe(2)
  })

  it('that the cluster does not take are lost, and no harm', async () => {
    const { kube, marks, clock, labels } = await world()
    kube.fail = () => new KubeError(500, 'InternalError', 'no')
    marks.set('a')
    await clock.advance(1_000)
    kube.fail = () => undefined
    marks.set('b')
    await clock.advance(1_000)
    expect(labels()).toEqual([['runlet.dev/execution-b', 'running']])
  })
})
