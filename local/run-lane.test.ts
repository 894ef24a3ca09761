import { beforeEach, describe, expect, it } from 'vitest'
import { type Envelope, emptyResult } from '../core/execution.ts'
import type { Verdict } from '../core/ports.ts'
import { anEnvelope, executionId, FakeRunner, settled } from '../tests/fakes/local.ts'
import { RunLane } from './run-lane.ts'

const result = emptyResult('succeeded')
let runner: FakeRunner
let adopted: string[]
let lane: RunLane
let adoption: Promise<void>
let now: number

beforeEach(() => {
  runner = new FakeRunner()
  adopted = []
  adoption = Promise.resolve()
  const adopter = {
    adopt: (envelope: Envelope, attempts: number) => {
      adopted.push(`adopt ${Number(envelope.id)} after ${attempts}`)
      return adoption
    },
    settleAdopted: (envelope: Envelope, attempts: number, verdict: Verdict) => {
      adopted.push(`${verdict} ${Number(envelope.id)} after ${attempts}`)
    },
  }
  now = 0
  lane = new RunLane({ maxWaiting: 2, deliveryLimit: 3, adopter, now: () => now })
})

const run = (number: number) => lane.run(anEnvelope(number), 5000, 2_000)
const answer = async (index: number) => {
  const delivery = await runner.delivery(index)
  delivery.reply?.({ id: delivery.envelope.id, result })
  delivery.answer('ack')
}

describe('RunLane', () => {
  it('hands a run to the runner at once, and its reply to the caller', async () => {
    lane.consume(1, runner.handler)
    const { answer: answered } = run(1)
    const delivery = await runner.delivery(0)
    expect(delivery).toMatchObject({ redelivered: false, replyBefore: 5000, envelope: { id: executionId(1) } })
    delivery.reply?.({ id: executionId(1), result, timings: { claim: 2 } })
    delivery.reply?.({ id: executionId(1), error: { code: 'internal', message: 'too late' } })
    expect(await answered).toEqual({ id: executionId(1), result, timings: { claim: 2 } })
  })

  it('gives the runner no more than its capacity, in order', async () => {
    lane.consume(1, runner.handler)
    const runs = [run(1), run(2), run(3)]
    await settled()
    expect(runner.received).toHaveLength(1)
    for (const index of [0, 1, 2]) await answer(index)
    await Promise.all(runs.map(({ answer: answered }) => answered))
    expect(runner.ids).toEqual([1, 2, 3].map(executionId))
  })

  it('turns away what is too much', async () => {
    lane.consume(1, runner.handler)
    for (const number of [1, 2, 3]) run(number)
    expect(() => run(4)).toThrow(expect.objectContaining({ code: 'no_capacity' }))
  })

  it('waits for a runner', async () => {
    const { answer: answered } = run(1)
    lane.consume(1, runner.handler)
    await answer(0)
    expect(await answered).toMatchObject({ result })
  })

  it('passes an error of ours on', async () => {
    lane.consume(1, runner.handler)
    const { answer: answered } = run(1)
    const delivery = await runner.delivery(0)
    delivery.reply?.({ id: executionId(1), error: { code: 'sandbox_lost', message: 'gone' } })
    delivery.answer('ack')
    await expect(answered).rejects.toMatchObject({ code: 'sandbox_lost', message: 'gone' })
  })

  it('repeats what the runner gives back, and gives up after the last attempt', async () => {
    lane.consume(1, runner.handler)
    const { answer: answered } = run(1)
    for (const index of [0, 1, 2]) (await runner.delivery(index)).answer('requeue')
    await expect(answered).rejects.toMatchObject({ code: 'sandbox_unavailable' })
    expect(runner.received.map(({ redelivered }) => redelivered)).toEqual([false, true, true])
  })

  it('does not repeat what was answered', async () => {
    lane.consume(1, runner.handler)
    const { answer: answered } = run(1)
    const delivery = await runner.delivery(0)
    delivery.reply?.({ id: executionId(1), result })
    delivery.answer('requeue')
    await answered
    await settled()
    expect(runner.received).toHaveLength(1)
  })

  it('says so when a runner is done without a word', async () => {
    lane.consume(1, runner.handler)
    const { answer: answered } = run(1)
    ;(await runner.delivery(0)).answer('ack')
    await expect(answered).rejects.toMatchObject({ code: 'internal' })
  })

  it('survives a handler that throws', async () => {
    lane.consume(1, () => Promise.reject(new Error('a bug')))
    await expect(run(1).answer).rejects.toMatchObject({ code: 'sandbox_unavailable' })
  })

  it('turns away a run whose time is over before it began', async () => {
    const first = run(1)
    first.expire()
    await expect(first.answer).rejects.toMatchObject({ code: 'no_capacity' })
    lane.consume(1, runner.handler)
    await settled()
    expect(runner.received).toEqual([])
  })

  it('has a run adopted whose time is over while it is out', async () => {
    lane.consume(1, runner.handler)
    const { promise, resolve } = Promise.withResolvers<void>()
    adoption = promise
    const { answer: answered, expire } = run(1)
    expire()
    let told = false
    void answered.then(() => (told = true))
    await settled()
    expect([told, adopted]).toEqual([false, ['adopt 1 after 1']])
    resolve()
    expect(await answered).toBeUndefined()
    const delivery = await runner.delivery(0)
    delivery.reply?.({ id: executionId(1), result })
    delivery.answer('requeue')
    await settled()
    expect(adopted).toEqual(['adopt 1 after 1', 'requeue 1 after 1'])
    expect(runner.received).toHaveLength(1)
  })

  it('says so when a run cannot be adopted', async () => {
    lane.consume(1, runner.handler)
    adoption = Promise.reject(new Error('disk full'))
    const { answer: answered, expire } = run(1)
    expire()
    await expect(answered).rejects.toMatchObject({ code: 'queue_unavailable' })
    ;(await runner.delivery(0)).answer('ack')
    await settled()
    expect(adopted).toEqual(['adopt 1 after 1'])
  })

  it('does nothing when the time is over after the answer', async () => {
    lane.consume(1, runner.handler)
    const { answer: answered, expire } = run(1)
    await answer(0)
    await answered
    expire()
    expect(adopted).toEqual([])
  })

  it('turns away what waits when it stops, and lets what is out end', async () => {
    lane.consume(1, runner.handler)
    const [first, second] = [run(1), run(2)]
    lane.stop()
    await expect(second.answer).rejects.toMatchObject({ code: 'shutting_down' })
    await answer(0)
    expect(await first.answer).toMatchObject({ result })
  })

  it('takes more when its capacity grows', async () => {
    lane.consume(0, runner.handler)
    run(1)
    run(2)
    await settled()
    expect(runner.received).toHaveLength(0)
    lane.consume(2, runner.handler)
    await settled()
    expect(runner.received).toHaveLength(2)
  })

  it('turns runs away at once that would wait for too long, and takes them again when there is room', async () => {
    lane = new RunLane({
      maxWaiting: 100,
      deliveryLimit: 3,
      adopter: { adopt: () => adoption, settleAdopted() {} },
      now: () => now,
    })
    lane.consume(1, runner.handler)
    const runs = Array.from({ length: 40 }, (_, index) => run(index + 1))
    for (let index = 0; index < 9; index++) {
      now += 100
      await answer(index)
      await settled()
    }
    now += 100
    await expect(async () => run(200)).rejects.toMatchObject({
      code: 'overloaded',
      retryAfterSeconds: expect.any(Number),
    })
    for (let index = 9; index < runs.length; index++) await answer(index)
    await Promise.all(runs.map(({ answer: answered }) => answered))
    expect(() => run(201)).not.toThrow()
  })
})
