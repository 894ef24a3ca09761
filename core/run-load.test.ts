import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type RunLoad, RunMeter, refuseRun } from './run-load.ts'

describe('one more run', () => {
  it.each<[why: string, load: RunLoad, retryAfter: number | undefined]>([
    ['comes in when nobody waits', { waiting: 0, underWay: 500, perSecond: 1 }, undefined],
    ['comes in when it is too soon to tell', { waiting: 90, underWay: 500, perSecond: undefined }, undefined],
    ['comes in when we have none: it finds out', { waiting: 90, underWay: 0, perSecond: 0 }, undefined],
    ['comes in when it ends in time', { waiting: 90, underWay: 99, perSecond: 10 }, undefined],
    ['is refused when it does not', { waiting: 90, underWay: 100, perSecond: 10 }, 1],
    ['is refused for as long as the others take', { waiting: 90, underWay: 149, perSecond: 10 }, 5],
    ['is not sent away for longer than half a minute', { waiting: 90, underWay: 9_999, perSecond: 10 }, 30],
    ['is refused when nothing ends at all', { waiting: 1, underWay: 1, perSecond: 0 }, 30],
  ])('%s', (_, load, retryAfter) => expect(refuseRun(load, 10_000)).toBe(retryAfter))
})

/** A service with so many places, each run taking so long, callers that come at a steady rate: what became of each, by the simulated clock. */
function simulate({ places, serviceMs, everyMs, count }: Record<'places' | 'serviceMs' | 'everyMs' | 'count', number>) {
  const meter = new RunMeter(5_000)
  const queue: number[] = []
  const running: { since: number; end: number }[] = []
  const took: number[] = []
  let refused = 0
  let arrived = 0
  for (let now = 0; arrived < count || running.length > 0; now += 10) {
    for (const run of running.filter(({ end }) => end <= now)) {
      running.splice(running.indexOf(run), 1)
      meter.end(true, now)
      took.push(now - run.since)
    }
    for (; arrived < count && arrived * everyMs <= now; arrived++) {
      meter.see(queue.length, now)
      if (meter.refusal(now) === undefined) {
        meter.begin()
        queue.push(now)
      } else refused++
    }
    while (running.length < places && queue.length > 0)
      running.push({ since: queue.shift() ?? 0, end: now + serviceMs })
  }
  return { longest: Math.max(...took), served: took.length, refused }
}

describe('over time', () => {
  it.each([
    ['twice as many as can be served', { places: 8, serviceMs: 200, everyMs: 12.5, count: 4_000 }],
    ['ten times as many', { places: 8, serviceMs: 200, everyMs: 2.5, count: 8_000 }],
    ['twice as many slow ones', { places: 8, serviceMs: 2_000, everyMs: 125, count: 600 }],
  ])('%s: those who are let in have their result in time, and every place is used', (_, service) => {
    const { longest, served, refused } = simulate(service)
    const lasts = service.count * service.everyMs
    expect(longest).toBeLessThan(7_500)
    expect(served).toBeGreaterThanOrEqual(Math.floor((lasts / service.serviceMs) * service.places * 0.9))
    expect(served + refused).toBe(service.count)
  })

  it.each([
    ['fewer than can be served', { places: 8, serviceMs: 200, everyMs: 40, count: 1_000 }],
    ['slow ones, all places taken', { places: 8, serviceMs: 4_000, everyMs: 500, count: 100 }],
    ['a burst that is served in time', { places: 8, serviceMs: 200, everyMs: 0, count: 150 }],
  ])('%s: nobody is refused', (_, service) => expect(simulate(service).refused).toBe(0))

  it('a quiet time says nothing about a burst that follows', () => {
    const meter = new RunMeter(5_000)
    let now = 0
    for (let count = 0; count < 20; count++, now += 30_000) {
      meter.see(1, now)
      meter.begin()
      meter.end(true, now + 100)
    }
    for (let count = 0; count < 50; count++) {
      meter.see(count, now)
      expect(meter.refusal(now)).toBeUndefined()
      meter.begin()
    }
  })

  it('what was seen long ago refuses nobody', () => {
    const meter = new RunMeter(1_000)
    for (let count = 0; count < 50; count++) meter.begin()
    for (let now = 0; now <= 1_500; now += 500) meter.see(50, now)
    expect(meter.refusal(1_500)).toBe(30)
    expect(meter.refusal(60_000)).toBeUndefined()
  })

  it('whatever happens, a refusal says a time between one second and thirty', () => {
    const steps = fc.array(fc.tuple(fc.constantFrom('begin', 'served', 'given up', 'see'), fc.nat(3_000), fc.nat(50)))
    fc.assert(
      fc.property(steps, (events) => {
        const meter = new RunMeter(2_000)
        let now = 0
        for (const [event, pause, waiting] of events) {
          now += pause
          if (event === 'see') meter.see(waiting, now)
          else if (event === 'begin') meter.begin()
          else if (meter.underWay > 0) meter.end(event === 'served', now)
          const refusal = meter.refusal(now)
          if (refusal !== undefined) expect(refusal >= 1 && refusal <= 30).toBe(true)
        }
      }),
    )
  })
})
