import { describe, expect, it } from 'vitest'
import { MemoryLog } from '../tests/fakes/local.ts'
import { MemoryMetrics } from '../tests/fakes/metrics.ts'
import { type HeldEvent, StartHealth } from './start-health.ts'

function arrange() {
  const metrics = new MemoryMetrics()
  const log = new MemoryLog()
  const events: HeldEvent[] = []
  const health = new StartHealth({ language: 'python', metrics, log, notify: (event) => void events.push(event) })
  return { metrics, log, events, health }
}

const HOLD = { reason: 'no nodes', until: 900 }

describe('StartHealth', () => {
  it('counts failures with the last reason and time', () => {
    const { health, metrics } = arrange()
    health.fail(0, 'no nodes', 10)
    health.fail(0, 'no image', 20)
    expect(health.failures).toEqual({ count: 2, at: 20, reason: 'no image' })
    expect(metrics.get('runlet_sandbox_failures_total', 'python', 'start')).toBe(2)
  })

  it('does not count stragglers while it is held', () => {
    const { health } = arrange()
    health.fail(0, 'no nodes', 10)
    health.hold(HOLD)
    health.fail(5, 'straggler', 11)
    expect(health.failures).toEqual({ count: 1, at: 10, reason: 'no nodes' })
    health.fail(11, 'no image', 20)
    expect(health.failures).toEqual({ count: 2, at: 20, reason: 'no image' })
  })

  it('forgets failures for a sandbox that became ready after them, and for no other', () => {
    const { health } = arrange()
    health.fail(0, 'no nodes', 10)
    health.prove(9)
    expect(health.failures.count).toBe(1)
    health.prove(10)
    expect(health.failures.count).toBe(0)
  })

  it('says once that it is held and once that it is free', () => {
    const { health, events, log, metrics } = arrange()
    health.hold(undefined)
    health.hold(HOLD)
    health.hold({ reason: 'no image', until: 1_900 })
    expect(metrics.get('runlet_pool_held', 'python')).toBe(1)
    expect(health.held?.reason).toBe('no image')
    health.hold(undefined)
    health.hold(undefined)
    expect(metrics.get('runlet_pool_held', 'python')).toBe(0)
    expect(events.map(({ held, reason }) => [held, reason])).toEqual([
      [true, 'no nodes'],
      [false, 'sandboxes start again'],
    ])
    expect(log.lines).toHaveLength(2)
  })
})
