import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { emptyResult } from '../core/execution.ts'
import type { Log } from '../core/log.ts'
import { FakeClock } from '../tests/fakes/clock.ts'
import { FakeKube } from '../tests/fakes/kube.ts'
import { MemoryMetrics } from '../tests/fakes/metrics.ts'
import { Janitor, planRemoval, removeEverything, removeOrphans } from './janitor.ts'
import { KubeError } from './kube-error.ts'
import { recordPatch } from './record.ts'
import { RunnerLease, RunnerLife } from './runner-lease.ts'

const JOBS = '/apis/batch/v1/namespaces/boxes/jobs'
const config = { NAMESPACE: 'boxes', RECORDED_BYTES: 20_000, JANITOR_INTERVAL_MS: 1000 }

function world() {
  const clock = new FakeClock()
  const kube = new FakeKube()
  kube.now = clock.now
  const lines: string[] = []
  const write = (_: object, message: string) => lines.push(message)
  const log: Log = { debug: write, info: write, warn: write, error: write, child: () => log }
  const managed = { 'app.kubernetes.io/managed-by': 'runlet' }
  const create = (name: string, labels: object, annotations = {}) => {
    const metadata = { name, labels: { ...managed, ...labels }, annotations }
    return kube.call({ method: 'POST', path: JOBS, body: { metadata } })
  }
  const names = () => kube.all('jobs').map(({ metadata }) => metadata.name)
  return { clock, kube, lines, log, create, names, metrics: new MemoryMetrics() }
}

/** A finished Job whose record has about `size` bytes; the older the smaller `age` is. */
function finished(age: number, size: number): [labels: Record<string, string>, annotations: Record<string, string>] {
  const id = age.toString(16).padStart(48, '0')
  const result = { ...emptyResult('succeeded'), stdout: 'x'.repeat(size) }
  const record = { version: 1 as const, id, language: 'python', languageVersion: null, digest: '', result }
  const { metadata } = recordPatch({ ...record, acceptedAt: 1, startedAt: 1, finishedAt: 1 }, 100_000)
  return [metadata.labels, metadata.annotations]
}

describe('planRemoval', () => {
  const jobs = fc.uniqueArray(
    fc.record({ name: fc.uuid(), uid: fc.uuid(), bytes: fc.nat(1000), executionId: fc.uuid() }),
    { selector: ({ executionId }) => executionId },
  )

  it('removes nothing within the budget, else the oldest until nine tenths are left', () => {
    fc.assert(
      fc.property(jobs, fc.integer({ min: 1, max: 5000 }), (recorded, budget) => {
        const sum = (some: typeof recorded) => some.reduce((total, { bytes }) => total + bytes, 0)
        const plan = planRemoval(recorded, budget)
        const kept = recorded.filter((job) => !plan.includes(job))
        if (sum(recorded) <= budget) {
          expect(plan).toEqual([])
          return
        }
        expect(sum(kept)).toBeLessThanOrEqual(budget * 0.9)
        expect(sum(kept) + (plan.at(-1)?.bytes ?? 0)).toBeGreaterThan(budget * 0.9)
        const newestRemoved = plan.at(-1)?.executionId ?? ''
        for (const { executionId } of kept) expect(executionId > newestRemoved).toBe(true)
      }),
    )
  })
})

describe('the budget', () => {
  it('is kept by removing the oldest records, with a metric and a line in the log', async () => {
    const run = world()
    for (const age of [3, 1, 2]) await run.create(`job-${age}`, ...finished(age, 8000))
    await run.create('warm', { 'runlet.dev/state': 'warm', 'runlet.dev/runner': 'a' })
    await using janitor = new Janitor({ http: run.kube, config, ...run })
    await run.clock.advance(1500)
    expect(run.names()).toEqual(['job-3', 'job-2', 'warm'])
    expect(run.metrics.get('runlet_janitor_removed_total')).toBe(1)
    expect(run.metrics.get('runlet_recorded_bytes')).toBeGreaterThan(16_000)
    expect(run.metrics.get('runlet_recorded_bytes')).toBeLessThan(18_000)
    expect(run.lines.join()).toMatch(/exceed their budget/)
    await run.clock.advance(1500)
    expect(run.names()).toEqual(['job-3', 'job-2', 'warm'])
    expect(janitor).toBeDefined()
  })

  it('is kept by two at once without a complaint', async () => {
    const run = world()
    for (const age of [1, 2, 3]) await run.create(`job-${age}`, ...finished(age, 8000))
    await using _one = new Janitor({ http: run.kube, config, ...run })
    await using _two = new Janitor({ http: run.kube, config, ...run })
    await run.clock.advance(3000)
    expect(run.names()).toEqual(['job-2', 'job-3'])
    expect(run.lines.join()).not.toMatch(/could not/)
  })

  it('is looked at again after trouble', async () => {
    const run = world()
    for (const age of [1, 2, 3]) await run.create(`job-${age}`, ...finished(age, 8000))
    run.kube.fail = () => new KubeError(503, '', 'down')
    await using _ = new Janitor({ http: run.kube, config, ...run })
    await run.clock.advance(1500)
    expect(run.lines.join()).toMatch(/tries again/)
    run.kube.fail = () => undefined
    await run.clock.advance(1500)
    expect(run.names()).toEqual(['job-2', 'job-3'])
  })
})

describe('removeOrphans', () => {
  const labels = (runner: string, state: string) => ({ 'runlet.dev/runner': runner, 'runlet.dev/state': state })

  it('takes the Jobs of runners that are gone, and nothing else', async () => {
    const run = world()
    await using _ = await RunnerLease.hold({
      http: run.kube,
      namespace: 'boxes',
      runner: 'Alive.1',
      log: run.log,
      clock: run.clock,
    })
    await run.create('of-the-dead', labels('dead', 'starting'))
    await run.create('warm-of-the-dead', labels('dead', 'warm'))
    await run.create('of-the-living', labels('Alive.1', 'warm'))
    await run.create('recorded', { ...labels('dead', 'finished') })
    const life = new RunnerLife(run.clock)
    expect(await removeOrphans({ http: run.kube, config, log: run.log }, life)).toBe(0)
    await run.clock.advance(20_000)
    await run.create('young', labels('dead', 'starting'))
    expect(await removeOrphans({ http: run.kube, config, log: run.log }, life)).toBe(2)
    expect(run.names()).toEqual(['of-the-living', 'recorded', 'young'])
  })

  it('does not delete a Job that took the name of the one it saw', async () => {
    const run = world()
    await run.create('again', labels('dead', 'starting'))
    const life = new RunnerLife(run.clock)
    await removeOrphans({ http: run.kube, config, log: run.log }, life)
    await run.clock.advance(20_000)
    const path = `${JOBS}/again`
    run.kube.fail = ({ method }) => (method === 'DELETE' ? new KubeError(409, 'Conflict', 'another uid') : undefined)
    await removeOrphans({ http: run.kube, config, log: run.log }, life)
    const [deletion] = run.kube.calls.filter(({ method }) => method === 'DELETE')
    expect(deletion).toMatchObject({ path, body: { preconditions: { uid: expect.any(String) } } })
  })

  it('clears away the leases that ran out', async () => {
    const run = world()
    const lease = await RunnerLease.hold({
      http: run.kube,
      namespace: 'boxes',
      runner: 'a',
      log: run.log,
      clock: run.clock,
    })
    run.kube.fail = ({ path, method }) =>
      path.includes('leases') && method ? new KubeError(0, '', 'cut off') : undefined
    await lease[Symbol.asyncDispose]()
    run.kube.fail = () => undefined
    const life = new RunnerLife(run.clock)
    for (const left of [1, 1, 0]) {
      await removeOrphans({ http: run.kube, config, log: run.log }, life)
      expect(run.kube.all('leases')).toHaveLength(left)
      await run.clock.advance(35_000)
    }
  })
})

describe('removeEverything', () => {
  it('leaves no Job and no lease of ours', async () => {
    const run = world()
    await RunnerLease.hold({ http: run.kube, namespace: 'boxes', runner: 'a', log: run.log, clock: run.clock })
    await run.create('warm', { 'runlet.dev/state': 'warm' })
    await run.create('done', ...finished(1, 10))
    const foreign = { metadata: { name: 'foreign', labels: {} } }
    await run.kube.call({ method: 'POST', path: JOBS, body: foreign })
    expect(await removeEverything(run.kube, 'boxes')).toBe(2)
    expect(run.names()).toEqual(['foreign'])
    expect(run.kube.all('leases')).toEqual([])
  })
})
