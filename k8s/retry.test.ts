import { describe, expect, it } from 'vitest'
import { FakeClock } from '../tests/fakes/clock.ts'
import { KubeError } from './kube-error.ts'
import { retrying } from './retry.ts'

const busy = (retryAfterMs?: number) => new KubeError(429, '', 'busy', { retryAfterMs })

describe('retrying', () => {
  it('repeats what passes, and counts', async () => {
    const clock = new FakeClock()
    const attempts: number[] = []
    const done = retrying(
      async (attempt) => {
        attempts.push(attempt)
        if (attempt < 4) throw busy()
        return 'done'
      },
      { clock, budgetMs: 10_000 },
    )
    await clock.advance(5000)
    expect(await done).toBe('done')
    expect(attempts).toEqual([1, 2, 3, 4])
  })

  it('waits as long as it was told to', async () => {
    const clock = new FakeClock()
    let calls = 0
    const done = retrying(
      async () => {
        if (calls++ === 0) throw busy(3000)
      },
      { clock, budgetMs: 10_000 },
    )
    await clock.advance(2999)
    expect(calls).toBe(1)
    await clock.advance(1)
    await done
    expect(calls).toBe(2)
  })

  it.each([new KubeError(403, 'Forbidden', 'no'), new TypeError('a mistake of ours')])(
    'does not repeat %s',
    async (error) => {
      let calls = 0
      const failing = async () => {
        calls += 1
        throw error
      }
      await expect(retrying(failing, { clock: new FakeClock(), budgetMs: 10_000 })).rejects.toBe(error)
      expect(calls).toBe(1)
    },
  )

  it('throws the last failure when its time is over, and never sleeps past it', async () => {
    const clock = new FakeClock()
    const failing = expect(retrying(() => Promise.reject(busy()), { clock, budgetMs: 1000 })).rejects.toThrow('busy')
    await clock.advance(1000)
    await failing
    expect(clock.sleeping).toBe(0)
  })

  it('ends with the signal', async () => {
    const clock = new FakeClock()
    const stop = new AbortController()
    const failing = expect(
      retrying(() => Promise.reject(busy(5000)), { clock, budgetMs: 60_000, signal: stop.signal }),
    ).rejects.toThrow('enough')
    await clock.advance(10)
    stop.abort(new Error('enough'))
    await failing
  })
})
