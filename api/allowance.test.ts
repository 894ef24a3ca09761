import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Allowance } from './allowance.ts'

describe('an allowance of 4 in 2 seconds', () => {
  it('lets four come at once, then one each half second', () => {
    const allowance = new Allowance(4, 2)
    const at = (now: number) => allowance.take(now).allowed
    expect([0, 0, 0, 0, 0, 499, 500, 500, 999, 1_000].map(at)).toEqual(
      [true, true, true, true, false, false, true, false, false, true], // biome-ignore format: one line each
    )
  })

  it('says what is left, when it is whole again and when the next may come', () => {
    const allowance = new Allowance(4, 2)
    expect(allowance.take(0)).toEqual({ allowed: true, remaining: 3, wholeInSeconds: 1, nextInSeconds: 0 })
    for (let count = 0; count < 3; count++) allowance.take(0)
    expect(allowance.take(0)).toEqual({ allowed: false, remaining: 0, wholeInSeconds: 2, nextInSeconds: 1 })
  })

  it('is never more than whole, however long nobody came', () => {
    const allowance = new Allowance(4, 2)
    allowance.take(0)
    expect(allowance.take(1_000_000).remaining).toBe(3)
  })
})

it('never lets more through in a window than the quota and what was refilled', () => {
  const steps = fc.array(fc.nat(700), { minLength: 1, maxLength: 200 })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 10 }), steps, (quota, window, pauses) => {
      const allowance = new Allowance(quota, window)
      let now = 0
      let passed = 0
      for (const pause of pauses) {
        now += pause
        if (allowance.take(now).allowed) passed++
      }
      expect(passed).toBeLessThanOrEqual(quota + (now * quota) / (window * 1000) + 1e-6)
    }),
  )
})
