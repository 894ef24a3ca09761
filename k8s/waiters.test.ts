import { describe, expect, it } from 'vitest'
import { Waiters } from './waiters.ts'

describe('Waiters', () => {
  it('wakes all who wait for a key, and nobody else', async () => {
    const waiters = new Waiters()
    const first = Promise.all([waiters.wait('a', 60_000), waiters.wait('a', 60_000)])
    const other = waiters.wait('b', 60_000)
    expect(waiters.size).toBe(3)
    waiters.release('a')
    await first
    expect(waiters.size).toBe(1)
    waiters.releaseAll()
    await other
    expect(waiters.size).toBe(0)
  })

  it('forgets those whose time is over or whose signal aborted', async () => {
    const waiters = new Waiters()
    const stop = new AbortController()
    const waiting = waiters.wait('a', 60_000, stop.signal)
    await waiters.wait('a', 1)
    expect(waiters.size).toBe(1)
    stop.abort()
    await waiting
    expect(waiters.size).toBe(0)
  })

  it('does not begin to wait for a caller that is gone', async () => {
    const waiters = new Waiters()
    await waiters.wait('a', 60_000, AbortSignal.abort())
    expect(waiters.size).toBe(0)
  })

  it('takes a release that nobody waits for', () => {
    expect(() => new Waiters().release('a')).not.toThrow()
  })
})
