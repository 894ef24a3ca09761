import { describe, expect, it } from 'vitest'
import { MemoryLog } from '../tests/fakes/local.ts'
import { MemoryMetrics } from '../tests/fakes/metrics.ts'
import { Crowd } from './crowd.ts'

function arrange() {
  const [log, metrics] = [new MemoryLog(), new MemoryMetrics()]
  return { log, metrics, crowd: new Crowd({ language: 'python', metrics, log }) }
}

describe('a crowd', () => {
  it('counts refusals one after the other, and says it once', () => {
    const { crowd, log, metrics } = arrange()
    crowd.refuse(0, 4, 'exceeded quota', 100)
    crowd.refuse(200, 4, 'exceeded quota', 300)
    expect(crowd.crowding).toEqual({ count: 2, at: 300, living: 4 })
    expect(log.lines).toHaveLength(1)
    expect(metrics.get('runlet_sandbox_failures_total', 'python', 'no_room')).toBe(2)
  })

  it('takes starts that were refused together for one, and the smallest room of them', () => {
    const { crowd } = arrange()
    crowd.refuse(0, 6, 'exceeded quota', 100)
    crowd.refuse(50, 5, 'exceeded quota', 110)
    crowd.refuse(100, 4, 'exceeded quota', 120)
    expect(crowd.crowding).toEqual({ count: 1, at: 100, living: 4 })
  })

  it('is over when more live than had room', () => {
    const { crowd } = arrange()
    crowd.refuse(0, 4, 'exceeded quota', 100)
    crowd.grow(4)
    expect(crowd.crowding?.living).toBe(4)
    crowd.grow(5)
    expect(crowd.crowding).toBeUndefined()
  })
})
