import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Demand, NO_DEMAND, targetOf, withClaim, withStart } from './demand.ts'

const SETTINGS = { warm: 2, max: 20, refillAtOnce: 2, refillDelayMs: 0 }

interface Traffic {
  /** Claims per second, by the second: the rate at `second` of the story. */
  rate: (second: number) => number
  seconds: number
  startMs: number
}

/** Demand after claims that come evenly at a rate that may change, and when it is. */
function after({ rate, seconds, startMs }: Traffic): { demand: Demand; now: number } {
  let demand = withStart(NO_DEMAND, startMs)
  let due = 0
  for (let now = 0; now < seconds * 1000; now += 10) {
    due += rate(now / 1000) / 100
    for (; due >= 1; due--) demand = withClaim(demand, now)
  }
  return { demand, now: seconds * 1000 }
}

const target = (traffic: Traffic, settings = SETTINGS) => {
  const { demand, now } = after(traffic)
  return targetOf(demand, settings, now)
}

describe('what demand asks for', () => {
  it.each<[rule: string, traffic: Traffic, warm: number]>([
    ['nothing beyond warm when nobody came', { rate: () => 0, seconds: 1, startMs: 1_000 }, 2],
    ['what comes while one is started, and some to spare', { rate: () => 4, seconds: 120, startMs: 1_000 }, 7],
    ['more where starting takes longer', { rate: () => 4, seconds: 120, startMs: 2_000 }, 12],
    ['no more than max', { rate: () => 40, seconds: 120, startMs: 2_000 }, 20],
    ['warm, where starting costs nothing', { rate: () => 100, seconds: 120, startMs: 0.01 }, 2],
    ['warm again when it has been quiet', { rate: (at) => (at < 60 ? 4 : 0), seconds: 200, startMs: 1_000 }, 2],
  ])('is %s', (_, traffic, warm) => {
    expect(target(traffic).warm).toBe(warm)
  })

  it('is ahead of a ramp: enough for the rate at which a start of now will be ready', () => {
    const slope = 0.2
    const seconds = 60
    const startMs = 5_000
    const { warm } = target({ rate: (at) => at * slope, seconds, startMs }, { ...SETTINGS, max: 1_000 })
    const expected = slope * (seconds + startMs / 1000) * (startMs / 1000)
    expect(warm).toBeGreaterThanOrEqual(expected)
    expect(warm).toBeLessThan(expected * 1.25)
  })

  it('does not follow a single claim', () => {
    expect(target({ rate: (at) => (at < 1 ? 1 : 0), seconds: 1.5, startMs: 900 }, { ...SETTINGS, warm: 1 }).warm).toBe(
      1,
    )
  })

  it('is nothing again after a while where nothing is to be warm', () => {
    const once = (at: number) => (at < 1 ? 1 : 0)
    const at = (seconds: number) => target({ rate: once, seconds, startMs: 1_000 }, { ...SETTINGS, warm: 0 })
    expect([1.5, 60].map((seconds) => at(seconds).warm)).toEqual([1, 0])
    expect(at(120).keep).toBe(0)
  })

  it('is known only after a first start', () => {
    const { keep, warm } = targetOf(withClaim(NO_DEMAND, 5), SETTINGS, 10)
    expect([warm, keep]).toEqual([2, 2])
  })
})

describe('what is kept', () => {
  it('fades slowly after a peak, so that a lull does not end what has been started', () => {
    const ended = (seconds: number) =>
      target({ rate: (at) => (at < 60 ? 8 : 0), seconds: 60 + seconds, startMs: 1_000 })
    expect([0, 15, 60, 300].map((seconds) => ended(seconds).warm)).toEqual([12, 7, 3, 2])
    expect([0, 15, 60, 300].map((seconds) => ended(seconds).keep)).toEqual([13, 10, 6, 2])
  })
})

describe('pacing', () => {
  it('lets as many starts be in flight as keep up with the arrivals', () => {
    expect(target({ rate: () => 1, seconds: 120, startMs: 1_000 }).refillAtOnce).toBe(2)
    expect(target({ rate: () => 6, seconds: 120, startMs: 1_000 }).refillAtOnce).toBeGreaterThanOrEqual(6)
  })

  it('is none where a start is only a slot in what runs already', () => {
    const settings = { ...SETTINGS, refillDelayMs: 25 }
    expect(targetOf(withStart(NO_DEMAND, 0.05), settings, 0)).toMatchObject({
      refillAtOnce: Infinity,
      refillDelayMs: 0,
    })
    expect(targetOf(withStart(NO_DEMAND, 30), settings, 0)).toMatchObject({ refillAtOnce: 2, refillDelayMs: 25 })
  })
})

describe('any history', () => {
  const events = fc.array(fc.record({ gap: fc.nat(20_000), start: fc.option(fc.nat(60_000), { nil: undefined }) }))
  const sizes = fc.record({ warm: fc.nat(10), max: fc.nat(10) })

  it('asks for something between warm and max, and keeps no less', () => {
    fc.assert(
      fc.property(events, sizes, fc.nat(100_000), (history, size, rest) => {
        let demand = NO_DEMAND
        let now = 0
        for (const { gap, start } of history) {
          now += gap
          demand = start === undefined ? withClaim(demand, now) : withStart(demand, start)
        }
        const { warm, keep, refillAtOnce } = targetOf(demand, { ...SETTINGS, ...size }, now + rest)
        expect(warm).toBeGreaterThanOrEqual(Math.min(size.warm, size.max))
        expect(keep).toBeGreaterThanOrEqual(warm)
        expect(keep).toBeLessThanOrEqual(size.max)
        expect(refillAtOnce).toBeGreaterThanOrEqual(2)
      }),
    )
  })

  it('never asks for more by waiting', () => {
    fc.assert(
      fc.property(events, fc.nat(60_000), fc.nat(60_000), (history, first, more) => {
        let demand = withStart(NO_DEMAND, 1_500)
        let now = 0
        for (const { gap } of history) {
          now += gap
          demand = withClaim(demand, now)
        }
        const at = (passed: number) => targetOf(demand, SETTINGS, now + passed)
        expect(at(first + more).warm).toBeLessThanOrEqual(at(first).warm)
        expect(at(first + more).keep).toBeLessThanOrEqual(at(first).keep)
      }),
    )
  })
})
