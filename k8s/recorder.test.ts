import { describe, expect, it } from 'vitest'
import { type ExecutionRecord, emptyResult } from '../core/execution.ts'
import type { Log } from '../core/log.ts'
import { FakeClock, settled } from '../tests/fakes/clock.ts'
import { FakeKube } from '../tests/fakes/kube.ts'
import { FakeSandbox } from '../tests/fakes/sandbox.ts'
import type { Story } from './events.ts'
import { HeldJob } from './held-job.ts'
import { KubeError } from './kube-error.ts'
import { decodeRecord, recordKey } from './record.ts'
import { createRecorder } from './recorder.ts'

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent }
const ID = 'a'.repeat(48)
const JOBS = '/apis/batch/v1/namespaces/boxes/jobs'

const record: ExecutionRecord = {
  version: 1,
  id: ID,
  language: 'python',
  languageVersion: '3.13.5',
  acceptedAt: 1,
  startedAt: 1_800_000_000_000,
  finishedAt: 3,
  digest: 'd',
  result: emptyResult('succeeded'),
}

class OnJobSandbox extends FakeSandbox {
  readonly job = new HeldJob('python-1')
}

async function world() {
  const kube = new FakeKube()
  const metadata = { name: 'python-1', labels: { 'runlet.dev/state': 'warm' }, annotations: { mine: 'stays' } }
  await kube.call({ method: 'POST', path: JOBS, body: { metadata } })
  const clock = new FakeClock()
  const config = { NAMESPACE: 'boxes', RETENTION_SECONDS: 600, RECORD_BYTES: 4096 }
  const recorder = createRecorder({ http: kube, config, log: silent, clock, budgetMs: 1000 })
  return { kube, clock, recorder, sandbox: new OnJobSandbox() }
}

const busy = () => new KubeError(429, 'TooManyRequests', 'busy', { retryAfterMs: 100 })

describe('record', () => {
  it('is one patch on the Job of the sandbox, which then must not be deleted', async () => {
    const { kube, recorder, sandbox } = await world()
    await recorder.record(record, sandbox)
    const { metadata } = kube.all('jobs')[0] ?? {}
    expect(kube.calls.map(({ method }) => method)).toEqual(['POST', 'PATCH'])
    expect(metadata?.labels).toEqual({
      'runlet.dev/state': 'finished',
      'runlet.dev/status': 'succeeded',
      'runlet.dev/execution-id': ID,
    })
    expect(metadata?.annotations?.mine).toBe('stays')
    expect(decodeRecord(ID, metadata?.annotations?.[recordKey(ID)] ?? '')).toEqual(record)
    expect(sandbox.job.holdsRecord).toBe(true)
  })

  it('is told of on the Job that took it, with nothing of what the program wrote', async () => {
    const { recorder, sandbox } = await world()
    const told: Story[] = []
    sandbox.job.tell = (story) => void told.push(story)
    await recorder.markRunning(ID, sandbox)
    const result = { ...record.result, stdout: 'secret', exitCode: 0, wallTimeMs: 12 }
    await recorder.record({ ...record, result }, sandbox)
    expect(told).toEqual([
      { reason: 'Running', message: `It runs the execution ${ID}` },
      { reason: 'Finished', message: `The execution ${ID} ended after 12 ms: succeeded, exit code 0` },
    ])
  })

  it('is not told of on a Job that is gone', async () => {
    const { kube, recorder, sandbox } = await world()
    const told: Story[] = []
    sandbox.job.tell = (story) => void told.push(story)
    await kube.call({ method: 'DELETE', path: `${JOBS}/python-1` })
    await recorder.record(record, sandbox)
    expect(told).toEqual([])
  })

  it.each([
    ['there was no sandbox', undefined],
    ['the sandbox is of another kind', new FakeSandbox()],
  ])('makes a Job of its own where %s', async (_, sandbox) => {
    const { kube, recorder } = await world()
    await recorder.record(record, sandbox)
    const job = kube.all('jobs').find(({ metadata }) => metadata.name === `record-${ID}`)
    expect(job?.spec).toMatchObject({ completions: 0, parallelism: 0, ttlSecondsAfterFinished: 600 })
    expect(job?.metadata.labels).toMatchObject({ 'runlet.dev/execution-id': ID, 'runlet.dev/language': 'python' })
    expect(await recorder.takeOver(ID)).toBe(true)
  })

  it.each([
    [404, 'NotFound'],
    [422, 'Invalid'],
  ])('makes a Job of its own where the sandbox’s answers %i', async (status, reason) => {
    const { kube, recorder, sandbox } = await world()
    kube.fail = ({ method }) => (method === 'PATCH' ? new KubeError(status, reason, 'no') : undefined)
    await recorder.record(record, sandbox)
    expect(kube.all('jobs').map(({ metadata }) => metadata.name)).toContain(`record-${ID}`)
  })

  it('stays the first one of its id', async () => {
    const { kube, recorder } = await world()
    await recorder.record(record)
    await recorder.record({ ...record, result: emptyResult('lost') })
    const [job] = kube.all('jobs').filter(({ metadata }) => metadata.name.startsWith('record-'))
    expect(job?.metadata.labels?.['runlet.dev/status']).toBe('succeeded')
  })

  it('is tried again while the API server is busy', async () => {
    const { kube, clock, recorder, sandbox } = await world()
    let failures = 2
    kube.fail = () => (failures-- > 0 ? busy() : undefined)
    const done = recorder.record(record, sandbox)
    await clock.advance(500)
    await done
    expect(kube.all('jobs')[0]?.metadata.labels?.['runlet.dev/state']).toBe('finished')
  })

  it('gives the execution back to the queue when the API server stays away', async () => {
    const { kube, clock, recorder, sandbox } = await world()
    kube.fail = () => new KubeError(0, 'Unreachable', 'down')
    const done = expect(recorder.record(record, sandbox)).rejects.toMatchObject({ code: 'store_unavailable' })
    await clock.advance(60_000)
    await done
    expect(clock.sleeping).toBe(0)
  })

  it('does not hide a refusal', async () => {
    const { kube, recorder } = await world()
    kube.fail = () => new KubeError(403, 'Forbidden', 'may not')
    await expect(recorder.record(record)).rejects.toMatchObject({ code: 'store_unavailable' })
  })
})

describe('an attempt that is not the only one', () => {
  it('does not record on its sandbox once the execution may be somebody else’s', async () => {
    const { kube, clock, recorder, sandbox } = await world()
    let held = true
    kube.fail = ({ method }) => (method === 'PATCH' ? new KubeError(0, 'Unreachable', 'down') : undefined)
    const done = recorder.record(record, sandbox, { isHeld: () => held })
    await settled()
    held = false
    kube.fail = () => undefined
    await clock.advance(1000)
    await done
    expect(kube.all('jobs').map(({ metadata }) => [metadata.name, metadata.labels?.['runlet.dev/state']])).toEqual([
      ['python-1', 'warm'],
      [`record-${ID}`, 'finished'],
    ])
  })

  it('does not record on its sandbox when it is old and nobody could see it', async () => {
    const { kube, clock, recorder, sandbox } = await world()
    await clock.advance(5_000)
    await recorder.record(record, sandbox)
    expect(kube.all('jobs').map(({ metadata }) => metadata.name)).toEqual(['python-1', `record-${ID}`])
    // So that it is deleted with its sandbox.
    expect(sandbox.job.holdsRecord).toBe(false)
  })

  it('records on its sandbox however old it is when it was marked as running', async () => {
    const { kube, clock, recorder, sandbox } = await world()
    await recorder.markRunning(ID, sandbox)
    await clock.advance(60_000)
    await recorder.record(record, sandbox)
    expect(kube.all('jobs').map(({ metadata }) => metadata.name)).toEqual(['python-1'])
  })
})

describe('takeOver', () => {
  it('finds a final record', async () => {
    const { recorder, sandbox } = await world()
    expect(await recorder.takeOver(ID)).toBe(false)
    await recorder.record(record, sandbox)
    expect(await recorder.takeOver(ID)).toBe(true)
  })

  it('ends an earlier attempt that still runs: what that one records then is the one record', async () => {
    const { kube, recorder, sandbox } = await world()
    await recorder.markRunning(ID, sandbox)
    expect(await recorder.takeOver(ID)).toBe(false)
    expect(kube.all('jobs')).toEqual([])
    await recorder.record(record, sandbox)
    await recorder.record({ ...record, result: emptyResult('failed') })
    expect(kube.all('jobs').map(({ metadata }) => [metadata.name, metadata.labels?.['runlet.dev/status']])).toEqual([
      [`record-${ID}`, 'succeeded'],
    ])
  })

  it('finds a record that is written while it looks', async () => {
    const { kube, recorder, sandbox } = await world()
    await recorder.markRunning(ID, sandbox)
    kube.fail = ({ method }) => {
      if (method !== 'DELETE') return undefined
      kube.fail = () => undefined
      void recorder.record(record, sandbox)
      return new KubeError(409, 'Conflict', 'another resourceVersion')
    }
    expect(await recorder.takeOver(ID)).toBe(true)
    expect(kube.all('jobs')).toHaveLength(1)
  })

  it('deletes only what it saw', async () => {
    const { kube, recorder, sandbox } = await world()
    await recorder.markRunning(ID, sandbox)
    const { uid, resourceVersion } = kube.all('jobs')[0]?.metadata ?? {}
    await recorder.takeOver(ID)
    expect(kube.calls.at(-1)).toMatchObject({ method: 'DELETE', body: { preconditions: { uid, resourceVersion } } })
  })
})

describe('markRunning', () => {
  it('labels the Job', async () => {
    const { kube, recorder, sandbox } = await world()
    await recorder.markRunning(ID, sandbox)
    expect(kube.all('jobs')[0]?.metadata.labels).toEqual({
      'runlet.dev/state': 'running',
      'runlet.dev/execution-id': ID,
    })
  })

  it('is no harm when it is lost', async () => {
    const { kube, recorder, sandbox } = await world()
    kube.fail = busy
    await recorder.markRunning(ID, sandbox)
    await recorder.markRunning(ID, new FakeSandbox())
    expect(kube.all('jobs')[0]?.metadata.labels).toEqual({ 'runlet.dev/state': 'warm' })
  })

  it('never overwrites the end, however late it is', async () => {
    const { kube, recorder, sandbox } = await world()
    const block = Promise.withResolvers<void>()
    const blocked = sandbox.job.inOrder(() => block.promise)
    const running = recorder.markRunning(ID, sandbox)
    const recorded = recorder.record(record, sandbox)
    await settled()
    block.resolve()
    await Promise.all([blocked, running, recorded])
    expect(kube.all('jobs')[0]?.metadata.labels?.['runlet.dev/state']).toBe('finished')
    expect(kube.calls.filter(({ method }) => method === 'PATCH')).toHaveLength(1)
  })
})
