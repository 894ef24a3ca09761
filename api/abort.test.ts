import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { abortedByAny } from './abort.ts'

describe('abortedByAny', () => {
  it.each([0, 1])('aborts when source %i does', (index) => {
    const sources = [new AbortController(), new AbortController()]
    using any = abortedByAny(sources.map(({ signal }) => signal))
    expect(any.signal.aborted).toBe(false)
    sources[index]?.abort()
    expect(any.signal.aborted).toBe(true)
  })

  it('is aborted from the start when a source is', () => {
    using any = abortedByAny([undefined, AbortSignal.abort()])
    expect(any.signal.aborted).toBe(true)
  })

  it('leaves nothing behind on its sources', () => {
    const { signal } = new AbortController()
    {
      using any = abortedByAny([signal])
      expect(any.signal.aborted).toBe(false)
      expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    }
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })
})
