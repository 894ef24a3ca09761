import { describe, expect, it } from 'vitest'
import { FakeClock, settled } from '../tests/fakes/clock.ts'
import { StartExpectations } from './expectations.ts'

function arrange() {
  const clock = new FakeClock()
  const expectations = new StartExpectations({ clock, deadlineMs: 1_000 })
  const discarded: string[] = []
  const discard = (late: string) => void discarded.push(late)
  return { clock, expectations, discarded, discard }
}

describe('StartExpectations', () => {
  it('counts a start before it is asked for', async () => {
    const { expectations, discard } = arrange()
    const counts: number[] = []
    const start = async () => {
      counts.push(expectations.count)
      return 'sandbox'
    }
    await Promise.all([expectations.expect(start, discard), expectations.expect(start, discard)])
    expect(counts).toEqual([1, 2])
  })

  it('releases a start once, by its answer', async () => {
    const { clock, expectations, discarded, discard } = arrange()
    expect(await expectations.expect(async () => 'sandbox', discard)).toBe('sandbox')
    expect(expectations.count).toBe(0)
    await clock.advance(5_000)
    expect(expectations.count).toBe(0)
    expect(discarded).toEqual([])
    expect(clock.sleeping).toBe(0)
  })

  it('releases a start once, by its failure', async () => {
    const { clock, expectations, discard } = arrange()
    const failing = expectations.expect(() => Promise.reject(new Error('no nodes')), discard)
    await expect(failing).rejects.toThrow('no nodes')
    await clock.advance(5_000)
    expect(expectations.count).toBe(0)
  })

  it('releases a start that fails before it gives a promise', async () => {
    const { expectations, discard } = arrange()
    const start = () => {
      throw new Error('broken')
    }
    await expect(expectations.expect(start, discard)).rejects.toThrow('broken')
    expect(expectations.count).toBe(0)
  })

  it('releases a start once, by its deadline, and tells it to stop', async () => {
    const { clock, expectations, discard } = arrange()
    let signal: AbortSignal | undefined
    const start = (given: AbortSignal) => {
      signal = given
      return new Promise<string>(() => {})
    }
    const expired = expect(expectations.expect(start, discard)).rejects.toMatchObject({ code: 'sandbox_unavailable' })
    await clock.advance(999)
    expect(expectations.count).toBe(1)
    expect(signal?.aborted).toBe(false)
    await clock.advance(1)
    await expired
    expect(expectations.count).toBe(0)
    expect(signal?.aborted).toBe(true)
  })

  it('discards what answers after its deadline, and is never negative', async () => {
    const { clock, expectations, discarded, discard } = arrange()
    const late = Promise.withResolvers<string>()
    const expired = expect(expectations.expect(() => late.promise, discard)).rejects.toThrow('1000 ms')
    await clock.advance(1_000)
    await expired
    late.resolve('late sandbox')
    await settled()
    expect(discarded).toEqual(['late sandbox'])
    expect(expectations.count).toBe(0)
  })

  it('lets a failure after the deadline pass', async () => {
    const { clock, expectations, discarded, discard } = arrange()
    const late = Promise.withResolvers<string>()
    const expired = expect(expectations.expect(() => late.promise, discard)).rejects.toThrow()
    await clock.advance(1_000)
    await expired
    late.reject(new Error('stopped'))
    await settled()
    expect([discarded, expectations.count]).toEqual([[], 0])
  })

  it('keeps a start that is told to stop in the count until it has', async () => {
    const { expectations, discard } = arrange()
    const stopping = Promise.withResolvers<string>()
    const start = (signal: AbortSignal) => {
      signal.addEventListener('abort', () => stopping.promise.catch(() => {}))
      return stopping.promise
    }
    const stopped = expect(expectations.expect(start, discard)).rejects.toThrow('bye')
    expectations.abort(new Error('bye'))
    await settled()
    expect(expectations.count).toBe(1)
    stopping.reject(new Error('bye'))
    await stopped
    expect(expectations.count).toBe(0)
  })
})
