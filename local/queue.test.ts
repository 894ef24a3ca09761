import type { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { emptyResult } from '../core/execution.ts'
import { systemClock } from '../core/time.ts'
import { FakeClock } from '../tests/fakes/clock.ts'
import { anEnvelope, executionId, FakeRunner, MemoryLog, settled } from '../tests/fakes/local.ts'
import { LocalQueue, type LocalQueueOptions } from './queue.ts'
import { openDatabase } from './sqlite.ts'
import { WriteGroup } from './write-group.ts'

let database: DatabaseSync
let log: MemoryLog
let queue: LocalQueue
let runner: FakeRunner
let graveyard: FakeRunner

function openQueue(changes: Partial<LocalQueueOptions> = {}): LocalQueue {
  return new LocalQueue({
    database,
    writes: new WriteGroup(database, systemClock.monotonic),
    log,
    clock: systemClock,
    limits: { length: 3, bytes: 1_000_000 },
    maxWaitingRuns: 2,
    deliveryLimit: 3,
    requeueDelayMs: 1,
    retryMs: 1,
    ...changes,
  })
}

beforeEach(() => {
  database = openDatabase(':memory:')
  log = new MemoryLog()
  queue = openQueue()
  runner = new FakeRunner()
  graveyard = new FakeRunner()
})
afterEach(() => database.close())

const rows = () =>
  database
    .prepare('SELECT id, state, attempts FROM executions ORDER BY sequence')
    .all()
    .map((row) => ({ ...row }))

describe('scheduled executions', () => {
  it('are in the file before the caller hears of it', async () => {
    await queue.schedule(anEnvelope(1))
    expect(rows()).toEqual([{ id: executionId(1), state: 'waiting', attempts: 0 }])
  })

  it('stay where they are while nothing can be written, and go on when it can', async () => {
    await queue.consume('python', 1, runner.handler)
    for (const number of [1, 2]) await queue.schedule(anEnvelope(number))
    database.exec('PRAGMA query_only = 1')
    ;(await runner.delivery(0)).answer('ack')
    const troubles = [/cannot hand out/, /could not be written/]
    await vi.waitFor(() => expect(troubles.every((trouble) => log.lines.some((line) => trouble.test(line)))).toBe(true))
    await expect(queue.schedule(anEnvelope(3))).rejects.toMatchObject({ code: 'queue_unavailable' })
    expect(rows().map(({ id, state }) => [id, state])).toEqual([
      [executionId(1), 'out'],
      [executionId(2), 'waiting'],
    ])
    database.exec('PRAGMA query_only = 0')
    ;(await runner.delivery(1)).answer('ack')
    expect(runner.ids).toEqual([executionId(1), executionId(2)])
    await vi.waitFor(() => expect(rows()).toEqual([]))
  })

  it('reach the runner in order, at most as many as it has room for, and are gone when it is done', async () => {
    await queue.consume('python', 2, runner.handler)
    for (const number of [1, 2, 3]) await queue.schedule(anEnvelope(number))
    expect(runner.ids).toEqual([executionId(1), executionId(2)])
    expect(runner.received[0]).toMatchObject({ redelivered: false, envelope: anEnvelope(1) })
    expect(runner.received[0]).not.toHaveProperty('reply')
    ;(await runner.delivery(0)).answer('ack')
    expect((await runner.delivery(2)).envelope.id).toBe(executionId(3))
    for (const index of [1, 2]) (await runner.delivery(index)).answer('ack')
    await settled()
    expect(rows()).toEqual([])
  })

  it('wait for a runner of their language', async () => {
    await queue.schedule(anEnvelope(1, 'bash'))
    await queue.consume('python', 1, runner.handler)
    await settled()
    expect(runner.received).toEqual([])
    await queue.consume('bash', 1, runner.handler)
    expect(runner.ids).toEqual([executionId(1)])
  })

  it('are refused when the queue is full, until there is room', async () => {
    for (const number of [1, 2, 3]) await queue.schedule(anEnvelope(number))
    await expect(queue.schedule(anEnvelope(4))).rejects.toMatchObject({ code: 'queue_full' })
    await queue.schedule(anEnvelope(5, 'bash'))
    await queue.consume('python', 1, runner.handler)
    ;(await runner.delivery(0)).answer('ack')
    await settled()
    await queue.schedule(anEnvelope(6))
    expect(rows()).toHaveLength(4)
  })

  it('are refused when they are too big for what is left', async () => {
    queue = openQueue({ limits: { length: 3, bytes: 1000 } })
    await queue.schedule(anEnvelope(1))
    await expect(queue.schedule(anEnvelope(2, 'bash', 'x'.repeat(1000)))).rejects.toMatchObject({ code: 'queue_full' })
  })

  it('are counted right when many come at once', async () => {
    const results = await Promise.allSettled([1, 2, 3, 4, 5].map((number) => queue.schedule(anEnvelope(number))))
    expect(results.map(({ status }) => status).sort()).toEqual([
      ...Array(3).fill('fulfilled'),
      ...Array(2).fill('rejected'),
    ])
  })

  it('are taken once when they are handed over twice', async () => {
    await queue.consume('python', 5, runner.handler)
    await Promise.all([queue.schedule(anEnvelope(1)), queue.schedule(anEnvelope(1))])
    await settled()
    expect(runner.received).toHaveLength(1)
  })

  it('fail when the file cannot be written', async () => {
    database.exec('PRAGMA query_only = true')
    await expect(queue.schedule(anEnvelope(1))).rejects.toMatchObject({ code: 'queue_unavailable' })
    database.exec('PRAGMA query_only = false')
    await queue.schedule(anEnvelope(1))
  })

  it('are handed out again when the runner gives them back, and are dead after the last attempt', async () => {
    await queue.consumeDeadLetters(graveyard.handler)
    await queue.consume('python', 1, runner.handler)
    await queue.schedule(anEnvelope(1))
    for (const index of [0, 1, 2]) (await runner.delivery(index)).answer('requeue')
    const dead = await graveyard.delivery(0)
    expect(runner.received.map(({ redelivered }) => redelivered)).toEqual([false, true, true])
    expect(dead).toMatchObject({ redelivered: true, envelope: { id: executionId(1) } })
    dead.answer('ack')
    await settled()
    expect(rows()).toEqual([])
  })

  it('are handed out again after a pause, in which they keep their place', async () => {
    const clock = new FakeClock()
    queue = openQueue({ clock, requeueDelayMs: 1_000 })
    await queue.consume('python', 1, runner.handler)
    for (const number of [1, 2]) await queue.schedule(anEnvelope(number))
    ;(await runner.delivery(0)).answer('requeue')
    await clock.advance(999)
    expect(runner.ids).toEqual([executionId(1)])
    await clock.advance(1)
    await settled()
    ;(await runner.delivery(1)).answer('ack')
    expect((await runner.delivery(2)).envelope.id).toBe(executionId(1))
    expect(runner.ids).toEqual([1, 2, 1].map(executionId))
  })

  it('of one caller are limited, those of others are not, also after a restart, until they have ended', async () => {
    const of = (number: number, caller: string) => ({ ...anEnvelope(number), caller })
    const full = { code: 'too_many_outstanding' }
    await queue.schedule(of(1, 'a'.repeat(16)), 1)
    await expect(queue.schedule(of(2, 'a'.repeat(16)), 1)).rejects.toMatchObject(full)
    await queue.schedule(of(3, 'b'.repeat(16)), 1)
    const after = openQueue()
    await expect(after.schedule(of(4, 'a'.repeat(16)), 1)).rejects.toMatchObject(full)
    await after.consume('python', 1, runner.handler)
    await expect(after.schedule(of(4, 'a'.repeat(16)), 1)).rejects.toMatchObject(full)
    ;(await runner.delivery(0)).answer('ack')
    await settled()
    await after.schedule(of(4, 'a'.repeat(16)), 1)
  })

  it('are dead at once when the runner says so', async () => {
    await queue.consume('python', 1, runner.handler)
    await queue.schedule(anEnvelope(1))
    ;(await runner.delivery(0)).answer('dead-letter')
    await settled()
    expect(rows()).toEqual([{ id: executionId(1), state: 'dead', attempts: 1 }])
    await queue.consumeDeadLetters(graveyard.handler)
    expect(graveyard.ids).toEqual([executionId(1)])
  })

  it('stay dead until their end is recorded, one after the other', async () => {
    await queue.consume('python', 2, runner.handler)
    for (const number of [1, 2]) await queue.schedule(anEnvelope(number))
    for (const index of [0, 1]) (await runner.delivery(index)).answer('dead-letter')
    await queue.consumeDeadLetters(graveyard.handler)
    ;(await graveyard.delivery(0)).answer('requeue')
    await new Promise((resolve) => setTimeout(resolve, 20))
    ;(await graveyard.delivery(1)).answer('ack')
    ;(await graveyard.delivery(2)).answer('ack')
    await settled()
    expect(graveyard.ids).toEqual([1, 1, 2].map(executionId))
    expect(rows()).toEqual([])
  })

  it('are given back when a handler throws', async () => {
    await queue.consume('python', 1, () => Promise.reject(new Error('a bug')))
    await queue.schedule(anEnvelope(1))
    await expect.poll(rows).toMatchObject([{ state: 'dead', attempts: 3 }])
    expect(log.lines).toContain('error A delivery handler threw')
  })

  it.each([
    ['of a newer version', '{"version": 2}', 'warn A scheduled execution is for a newer Runlet'],
    ['damaged', '{"version"', 'error A scheduled execution cannot be read'],
  ])(
    'that are %s stay for whoever can read them, however often that is tried, and keep nobody',
    async (_, text, line) => {
      for (const number of [1, 2]) await queue.schedule(anEnvelope(number))
      database.prepare('UPDATE executions SET envelope = ? WHERE id = ?').run(text, executionId(1))
      for (let start = 0; start < 5; start++) {
        queue = openQueue()
        await queue.consume('python', 1, runner.handler)
        await queue.consumeDeadLetters(graveyard.handler)
        ;(await runner.delivery(start)).answer('requeue')
        await queue[Symbol.asyncDispose]()
      }
      expect(rows()[0]).toEqual({ id: executionId(1), state: 'out', attempts: 0 })
      expect([runner.ids, graveyard.ids]).toEqual([Array.from({ length: 5 }, () => executionId(2)), []])
      expect(log.lines.filter((found) => found === line)).toHaveLength(5)
      database.exec(`UPDATE executions SET state = 'dead' WHERE id = '${executionId(1)}'`)
      queue = openQueue()
      await queue.consumeDeadLetters(graveyard.handler)
      await settled()
      expect([graveyard.received, rows().length]).toEqual([[], 2])
    },
  )
})

describe('a restart', () => {
  it('hands out again what was out, and first what was first', async () => {
    await queue.consume('python', 1, runner.handler)
    for (const number of [1, 2]) await queue.schedule(anEnvelope(number))
    await runner.delivery(0)
    const after = new FakeRunner()
    const next = openQueue()
    await next.consume('python', 2, after.handler)
    expect(after.received.map(({ redelivered, envelope }) => [envelope.id, redelivered])).toEqual([
      [executionId(1), true],
      [executionId(2), false],
    ])
  })

  it('gives up what was out at each of its attempts', async () => {
    for (const _attempt of [1, 2, 3]) {
      queue = openQueue()
      await queue.schedule(anEnvelope(1)).catch(() => {})
      await queue.consume('python', 1, new FakeRunner().handler)
    }
    queue = openQueue()
    await queue.consume('python', 1, runner.handler)
    await queue.consumeDeadLetters(graveyard.handler)
    expect([runner.ids, graveyard.ids]).toEqual([[], [executionId(1)]])
  })

  it('remembers how full the queue is', async () => {
    for (const number of [1, 2, 3]) await queue.schedule(anEnvelope(number))
    await expect(openQueue().schedule(anEnvelope(4))).rejects.toMatchObject({ code: 'queue_full' })
  })
})

describe('runs', () => {
  const result = emptyResult('succeeded')

  it('go to the runner without touching the file', async () => {
    await queue.consume('python', 1, runner.handler)
    database.exec('PRAGMA query_only = true')
    const answer = queue.run(anEnvelope(1), 5000)
    const delivery = await runner.delivery(0)
    delivery.reply?.({ id: executionId(1), result })
    delivery.answer('ack')
    expect(await answer).toMatchObject({ result })
  })

  it('take no room from scheduled ones', async () => {
    await queue.consume('python', 1, runner.handler)
    const answer = queue.run(anEnvelope(1), 5000)
    await queue.schedule(anEnvelope(2))
    expect((await runner.delivery(1)).envelope.id).toBe(executionId(2))
    ;(await runner.delivery(0)).reply?.({ id: executionId(1), result })
    await answer
  })

  it('that outlast their caller are kept until they are done', async () => {
    await queue.consume('python', 1, runner.handler)
    expect(await queue.run(anEnvelope(1), 1)).toBeUndefined()
    expect(rows()).toEqual([{ id: executionId(1), state: 'out', attempts: 1 }])
    ;(await runner.delivery(0)).answer('ack')
    await settled()
    expect(rows()).toEqual([])
  })

  it('that outlast their caller are handed out again like any other', async () => {
    await queue.consume('python', 1, runner.handler)
    await queue.run(anEnvelope(1), 1)
    ;(await runner.delivery(0)).answer('requeue')
    expect(await runner.delivery(1)).toMatchObject({ redelivered: true, envelope: { id: executionId(1) } })
    expect(runner.received[1]).not.toHaveProperty('reply')
  })

  it('that outlast their caller survive the process', async () => {
    await queue.consume('python', 1, runner.handler)
    await queue.run(anEnvelope(1), 1)
    const after = new FakeRunner()
    await openQueue().consume('python', 1, after.handler)
    expect(after.received).toMatchObject([{ redelivered: true, envelope: { id: executionId(1) } }])
  })

  it('are refused when nobody takes them in time', async () => {
    await expect(queue.run(anEnvelope(1), 1)).rejects.toMatchObject({ code: 'no_capacity' })
  })

  it('are refused after the stop', async () => {
    await queue.stop()
    await expect(queue.run(anEnvelope(1), 5000)).rejects.toMatchObject({ code: 'shutting_down' })
  })
})

describe('the stop', () => {
  it('hands out nothing more, and writes down what still ends', async () => {
    await queue.consume('python', 1, runner.handler)
    for (const number of [1, 2]) await queue.schedule(anEnvelope(number))
    await queue.stop()
    ;(await runner.delivery(0)).answer('ack')
    await settled()
    await queue[Symbol.asyncDispose]()
    expect(runner.ids).toEqual([executionId(1)])
    expect(rows()).toEqual([{ id: executionId(2), state: 'waiting', attempts: 0 }])
  })

  it('does not count what comes back because of it as an attempt', async () => {
    await queue.consume('python', 1, runner.handler)
    await queue.schedule(anEnvelope(1))
    await queue.stop()
    ;(await runner.delivery(0)).answer('requeue')
    await settled()
    await queue[Symbol.asyncDispose]()
    expect(rows()).toEqual([{ id: executionId(1), state: 'waiting', attempts: 0 }])
  })

  it('does not wait for a delivery that nobody will answer', async () => {
    await queue.consume('python', 1, runner.handler)
    await queue.schedule(anEnvelope(1))
    await queue[Symbol.asyncDispose]()
    expect(rows()).toMatchObject([{ state: 'out' }])
  })
})
