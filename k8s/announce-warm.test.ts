import { describe, expect, it } from 'vitest'
import { FakeClock } from '../tests/fakes/clock.ts'
import { FakeKube } from '../tests/fakes/kube.ts'
import { MemoryLog } from '../tests/fakes/local.ts'
import { announceWarm } from './announce-warm.ts'
import { HeldJob } from './held-job.ts'
import { Jobs } from './jobs.ts'
import { KubeError } from './kube-error.ts'
import { ANNOTATION } from './labels.ts'

const JOBS = '/apis/batch/v1/namespaces/boxes/jobs'
const THROTTLED = new KubeError(429, 'TooManyRequests', 'slow down')

async function world(shared = false) {
  const kube = new FakeKube()
  const labels = { 'runlet.dev/state': 'starting' }
  await kube.call({ method: 'POST', path: JOBS, body: { metadata: { name: 'python-1', labels } } })
  const [clock, log, job] = [new FakeClock(), new MemoryLog(), new HeldJob('python-1', shared)]
  const announce = () => announceWarm(job, '3.13.5', { jobs: new Jobs(kube, 'boxes'), clock, log })
  return { kube, clock, job, log, announce, metadata: () => kube.all('jobs')[0]?.metadata }
}

describe('a Job whose agent is ready', () => {
  it('says so, and its version', async () => {
    const { announce, metadata } = await world()
    await announce()
    expect(metadata()).toMatchObject({
      labels: { 'runlet.dev/state': 'warm' },
      annotations: { [ANNOTATION.version]: '3.13.5' },
    })
  })

  it('says so when the API server takes it at last', async () => {
    const { kube, clock, announce, metadata } = await world()
    kube.fail = () => THROTTLED
    const announced = announce()
    await clock.advance(2_000)
    kube.fail = () => undefined
    await clock.advance(5_000)
    await announced
    expect(metadata()?.labels).toEqual({ 'runlet.dev/state': 'warm' })
    expect(clock.sleeping).toBe(0)
  })

  it('says nothing over a record that has come meanwhile', async () => {
    const { kube, clock, job, announce, metadata } = await world()
    kube.fail = () => THROTTLED
    const announced = announce()
    await clock.advance(50)
    job.holdsRecord = true
    kube.fail = () => undefined
    await clock.advance(5_000)
    await announced
    expect(metadata()?.labels).toEqual({ 'runlet.dev/state': 'starting' })
  })

  it('that executions share counts none, unless there are some already', async () => {
    const { job, announce, metadata } = await world(true)
    await announce()
    expect(metadata()?.labels).toEqual({ 'runlet.dev/state': 'warm', 'runlet.dev/executions': '0' })
    job.holdsRecord = true
    const labels = metadata()?.labels ?? {}
    labels['runlet.dev/executions'] = '7'
    await announce()
    expect(metadata()?.labels).toEqual({ 'runlet.dev/state': 'warm', 'runlet.dev/executions': '7' })
  })

  it('is let be when it is gone', async () => {
    const { kube, log, announce } = await world()
    await kube.call({ method: 'DELETE', path: `${JOBS}/python-1` })
    await announce()
    expect(log.lines).toEqual(['debug a Job could not be marked as warm'])
  })
})
