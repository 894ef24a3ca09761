import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { serverTiming } from './server-timing.ts'

describe('serverTiming', () => {
  it('lists the steps in their order', () => {
    expect(serverTiming({ parse: 0.25, queue: 3, execute: 2.5004 })).toBe(
      'parse;dur=0.250, queue;dur=3.000, execute;dur=2.500',
    )
    expect(serverTiming({})).toBe('')
  })

  it('is a header whatever the steps are called', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ minLength: 1 }), fc.double({ noNaN: true, noDefaultInfinity: true })),
        (timings) => {
          const text = serverTiming(timings)
          expect(() => new Headers({ 'Server-Timing': text })).not.toThrow()
          expect(text === '' ? 0 : text.split(', ').length).toBe(Object.keys(timings).length)
        },
      ),
    )
  })
})
