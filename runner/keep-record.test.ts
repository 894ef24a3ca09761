import { describe, expect, it } from 'vitest'
import { FakeClock, settled } from '../tests/fakes/clock.ts'
import { aRecord, executionId, MemoryLog } from '../tests/fakes/local.ts'
import { MemoryMetrics } from '../tests/fakes/metrics.ts'
import { FakeRecorder } from '../tests/fakes/recorder.ts'
import { FakeSandbox } from '../tests/fakes/sandbox.ts'
import { keepRecord, markRunningAfter } from './keep-record.ts'

function arrange(failures = 0) {
  const recorder = new FakeRecorder()
  recorder.failures = failures
  const dependencies = {
    recorder,
    clock: new FakeClock(),
    metrics: new MemoryMetrics(),
    log: new MemoryLog(),
    recordRetryMs: [10, 100],
  }
  return { ...dependencies, dependencies, sandbox: new FakeSandbox() }
}

describe('keepRecord', () => {
  it('writes once when that works', async () => {
    const { recorder, metrics, dependencies, sandbox } = arrange()
    expect(await keepRecord(aRecord(1), sandbox, dependencies)).toBe(true)
    expect(recorder.sandboxes).toEqual(['sandbox-1'])
    expect(metrics.get('runlet_record_seconds')).toBe(1)
  })

  it('tries again after each pause', async () => {
    const { clock, recorder, dependencies, log, metrics } = arrange(2)
    const kept = keepRecord(aRecord(1), undefined, dependencies)
    await clock.advance(10)
    expect(recorder.records.size).toBe(0)
    await clock.advance(100)
    expect(await kept).toBe(true)
    expect(recorder.records.size).toBe(1)
    const failed = 'warn A record could not be written'
    expect(log.lines).toEqual([failed, failed, 'debug A record was written'])
    expect(metrics.get('runlet_record_failures_total')).toBe(2)
  })

  it('gives up after the last, and says so', async () => {
    const { clock, dependencies, metrics, log } = arrange(3)
    const kept = keepRecord(aRecord(1), undefined, dependencies)
    await clock.advance(110)
    expect(await kept).toBe(false)
    expect(log.lines.at(-1)).toBe('error A record could not be written and is given up')
    expect(metrics.get('runlet_record_seconds')).toBe(0)
  })
})

describe('keepRecord of somebody who insists', () => {
  it('goes on with the last pause until it is written, or no longer insisted on', async () => {
    const { clock, recorder, dependencies } = arrange(12)
    const kept = keepRecord(aRecord(1), undefined, dependencies, { insists: () => true })
    await clock.advance(10 + 11 * 100)
    expect(await kept).toBe(true)
    recorder.failures = Number.POSITIVE_INFINITY
    let insists = true
    const other = keepRecord(aRecord(2), undefined, dependencies, { insists: () => insists })
    await clock.advance(5_000)
    insists = false
    await clock.advance(100)
    expect(await other).toBe(false)
  })
})

describe('markRunningAfter', () => {
  const ID = executionId(1)

  it('marks after a while, once', async () => {
    const { clock, recorder, dependencies, sandbox } = arrange()
    markRunningAfter(500, ID, sandbox, dependencies)
    await clock.advance(499)
    expect(recorder.running).toEqual([])
    await clock.advance(5_000)
    expect(recorder.running).toEqual([ID])
  })

  it('marks nothing that was over before, and leaves no timer', async () => {
    const { clock, recorder, dependencies, sandbox } = arrange()
    const stop = markRunningAfter(500, ID, sandbox, dependencies)
    expect(stop()).toBeUndefined()
    await clock.advance(1_000)
    expect([recorder.running, clock.sleeping]).toEqual([[], 0])
  })

  it('gives the mark that is under way, also when that fails', async () => {
    const { clock, recorder, dependencies, sandbox } = arrange(1)
    const store = Promise.withResolvers<void>()
    recorder.busy = store.promise
    const stop = markRunningAfter(500, ID, sandbox, dependencies)
    await clock.advance(500)
    let stopped = false
    const stopping = stop()?.then(() => {
      stopped = true
    })
    await settled()
    expect(stopped).toBe(false)
    store.resolve()
    await stopping
    expect(stopped).toBe(true)
  })
})
