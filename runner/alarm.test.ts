import { describe, expect, it } from 'vitest'
import { FakeClock, settled } from '../tests/fakes/clock.ts'
import { Alarm } from './alarm.ts'

function arrange() {
  const clock = new FakeClock()
  const rings: number[] = []
  const alarm = new Alarm(clock, () => void rings.push(clock.monotonic()))
  return { clock, rings, alarm }
}

describe('Alarm', () => {
  it('rings once, at the earliest time that was asked for', async () => {
    const { clock, rings, alarm } = arrange()
    for (const milliseconds of [50, 20, 80, 20]) alarm.ringWithin(milliseconds)
    await clock.advance(1_000)
    expect(rings).toEqual([20])
    expect(clock.sleeping).toBe(0)
  })

  it('can be set again after it rang, also while it rings', async () => {
    const clock = new FakeClock()
    const rings: number[] = []
    const alarm: Alarm = new Alarm(clock, () => {
      rings.push(clock.monotonic())
      if (rings.length < 3) alarm.ringWithin(10)
    })
    alarm.ringWithin(10)
    await clock.advance(100)
    expect(rings).toEqual([10, 20, 30])
  })

  it('never rings after it was stopped, and leaves no timer', async () => {
    const { clock, rings, alarm } = arrange()
    alarm.ringWithin(10)
    alarm.stop()
    alarm.ringWithin(10)
    await settled()
    expect(clock.sleeping).toBe(0)
    await clock.advance(100)
    expect(rings).toEqual([])
  })
})
