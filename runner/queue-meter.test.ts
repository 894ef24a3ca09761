import { describe, expect, it } from 'vitest'
import type { QueueDepth } from '../core/ports.ts'
import { FakeClock } from '../tests/fakes/clock.ts'
import { anEnvelope, silentLog } from '../tests/fakes/local.ts'
import { MemoryMetrics } from '../tests/fakes/metrics.ts'
import { QueueMeter } from './queue-meter.ts'

function arrange() {
  const [clock, metrics] = [new FakeClock(), new MemoryMetrics()]
  const queue = { messages: 0, broken: false }
  const depths = async (languages: readonly string[]): Promise<QueueDepth[]> => {
    if (queue.broken) throw new Error('away')
    return languages.map((language) => ({ language, queue: 'executions', messages: queue.messages }))
  }
  const meter = new QueueMeter({
    ...{ languages: ['python'], depths: { depths }, metrics, log: silentLog, clock },
    capacity: () => ({ waiting: 2, max: 8 }),
  })
  const seen = (over: { ago: number; redelivered?: boolean; replyBefore?: number }) => {
    const { ago, redelivered = false, ...rest } = over
    meter.seen({ envelope: { ...anEnvelope(1), acceptedAt: clock.now() - ago }, redelivered, ...rest })
  }
  const age = () => metrics.get('runlet_queue_age_seconds', 'python', 'executions')
  return { clock, metrics, queue, meter, seen, age }
}

describe('the queue meter', () => {
  it('tells how many wait, again and again, and how the pool stands', async () => {
    const { clock, metrics, queue } = arrange()
    await clock.advance(1)
    queue.messages = 7
    await clock.advance(5_000)
    expect(metrics.get('runlet_queue_messages', 'python', 'executions')).toBe(7)
    expect(metrics.get('runlet_pool_waiting', 'python')).toBe(2)
    expect(metrics.get('runlet_pool_max', 'python')).toBe(8)
  })

  it('takes a queue to be no older than its last delivery', async () => {
    const { clock, queue, seen, age } = arrange()
    queue.messages = 7
    await clock.advance(4_000)
    seen({ ago: 60_000 })
    await clock.advance(1_000)
    expect(age()).toBe(5)
    await clock.advance(10_000)
    expect(age()).toBe(15)
    seen({ ago: 2_000 })
    await clock.advance(5_000)
    expect(age()).toBe(7)
  })

  it('takes a queue that was empty to be no older than that', async () => {
    const { clock, queue, seen, age } = arrange()
    seen({ ago: 0 })
    await clock.advance(3_600_000)
    expect(age()).toBe(0)
    queue.messages = 1
    await clock.advance(10_000)
    expect(age()).toBe(10)
  })

  it('counts what comes again, and takes the time of what comes the first time', () => {
    const { metrics, seen } = arrange()
    seen({ ago: 10 })
    seen({ ago: 10, redelivered: true })
    seen({ ago: 10, replyBefore: 1 })
    expect(metrics.get('runlet_queue_seconds', 'python', 'executions')).toBe(1)
    expect(metrics.get('runlet_queue_seconds', 'python', 'runs')).toBe(1)
    expect(metrics.get('runlet_redeliveries_total', 'python')).toBe(1)
  })

  it('goes on when the broker is away, and stops when it is told to', async () => {
    const { clock, queue, meter, metrics } = arrange()
    queue.broken = true
    await clock.advance(5_000)
    queue.broken = false
    queue.messages = 3
    await clock.advance(5_000)
    expect(metrics.get('runlet_queue_messages', 'python', 'executions')).toBe(3)
    await meter[Symbol.asyncDispose]()
    expect(clock.sleeping).toBe(0)
  })
})
