import { describe, expect, it } from 'vitest'
import { CallersClock } from './callers-clock.ts'

function arrange() {
  const time = { now: 1_000_000, monotonic: 0 }
  return { time, clock: new CallersClock({ now: () => time.now, monotonic: () => time.monotonic }) }
}

describe('the clock of a runner', () => {
  it('is not behind when messages come after they were sent, or as good as', () => {
    const { clock, time } = arrange()
    expect([time.now - 20_000, time.now, time.now + 100].map((sentAt) => clock.isBehind(sentAt))).toEqual([
      false,
      false,
      false,
    ])
  })

  it('is behind when one comes before it was sent, and for older messages too', () => {
    const { clock, time } = arrange()
    expect(clock.isBehind(time.now + 101)).toBe(true)
    expect(clock.isBehind(time.now - 20_000)).toBe(true)
  })

  it('is trusted again a minute after the last sign', () => {
    const { clock, time } = arrange()
    clock.isBehind(time.now + 500)
    time.monotonic += 59_999
    expect(clock.isBehind(time.now)).toBe(true)
    time.monotonic += 1
    expect(clock.isBehind(time.now)).toBe(false)
  })
})
