import { describe, expect, it } from 'vitest'
import { AppError } from '../core/errors.ts'
import { emptyResult } from '../core/execution.ts'
import { PendingRuns } from './pending-runs.ts'

const result = emptyResult('succeeded')

describe('PendingRuns', () => {
  it('gives the result with its timings to whoever waits for that id', async () => {
    const pending = new PendingRuns()
    const [a, b] = [pending.wait('a', 60_000), pending.wait('b', 60_000)]
    expect(pending.answer({ id: 'b', result, timings: { claim: 1 } })).toBe(true)
    expect(await b).toEqual({ result, timings: { claim: 1 } })
    expect(pending.answer({ id: 'a', result })).toBe(true)
    expect(await a).toEqual({ result, timings: undefined })
    expect(pending.size).toBe(0)
  })

  it('turns a replied error into ours', async () => {
    const pending = new PendingRuns()
    const waiting = pending.wait('a', 60_000)
    pending.answer({ id: 'a', error: { code: 'no_capacity', message: 'all are busy' } })
    await expect(waiting).rejects.toEqual(new AppError('no_capacity', 'all are busy'))
  })

  it('gives undefined after the wait, and drops what comes later', async () => {
    const pending = new PendingRuns()
    expect(await pending.wait('a', 1)).toBeUndefined()
    expect(pending.answer({ id: 'a', result })).toBe(false)
    pending.fail('a', new AppError('queue_full'))
    expect(pending.size).toBe(0)
  })

  it('lets the first of answer and failure decide', async () => {
    const pending = new PendingRuns()
    const answered = pending.wait('a', 60_000)
    pending.answer({ id: 'a', result })
    pending.fail('a', new AppError('queue_full'))
    expect(await answered).toMatchObject({ result })
    const failed = pending.wait('b', 60_000)
    pending.fail('b', new AppError('queue_full'))
    expect(pending.answer({ id: 'b', result })).toBe(false)
    await expect(failed).rejects.toMatchObject({ code: 'queue_full' })
  })

  it('fails all at once, each with an error of its own', async () => {
    const pending = new PendingRuns()
    const waiting = [pending.wait('a', 60_000), pending.wait('b', 60_000)]
    pending.failAll('queue_unavailable', 'gone')
    const outcomes = await Promise.allSettled(waiting)
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ reason: { code: 'queue_unavailable', message: 'gone' } })
    expect(pending.size).toBe(0)
  })

  it('answers nobody for an id that it never saw', () => {
    expect(new PendingRuns().answer({ id: 'x', result })).toBe(false)
  })
})
