import { describe, expect, it } from 'vitest'
import { aborted, systemClock } from './time.ts'

describe('sleeping', () => {
  it('ends by itself', async () => {
    await expect(systemClock.sleep(1)).resolves.toBeUndefined()
  })

  it('ends at once when it is aborted, also when it was aborted before', async () => {
    const stop = new AbortController()
    const sleeping = systemClock.sleep(60_000, stop.signal)
    stop.abort(new Error('enough'))
    await expect(sleeping).rejects.toThrow('enough')
    await expect(systemClock.sleep(60_000, stop.signal)).rejects.toThrow('enough')
  })
})

describe('waiting for an abort', () => {
  it('ends with it, also when it was aborted before', async () => {
    const stop = new AbortController()
    const waiting = aborted(stop.signal)
    stop.abort()
    await waiting
    await aborted(stop.signal)
    expect(stop.signal.aborted).toBe(true)
  })
})
