import { describe, expect, it } from 'vitest'
import { AppError } from '../core/errors.ts'
import type { RunnerFrame } from '../core/frames.ts'
import type { Delivery, Reply } from '../core/ports.ts'
import { FakeClock, settled } from '../tests/fakes/clock.ts'
import { anEnvelope, executionId, MemoryLog } from '../tests/fakes/local.ts'
import { MemoryMetrics } from '../tests/fakes/metrics.ts'
import { FakeRecorder } from '../tests/fakes/recorder.ts'
import { type FakeSandbox, resultFrame } from '../tests/fakes/sandbox.ts'
import { FakeSandboxProvider } from '../tests/fakes/sandbox-provider.ts'
import { ExecutionConsumer } from './consumer.ts'
import { Gate } from './gate.ts'
import { Pool } from './pool.ts'
import { DEFAULT_SETTINGS, type RunnerSettings } from './settings.ts'

const ID = executionId(1)

const prints = (text: string) => (frame: RunnerFrame, sandbox: FakeSandbox) => {
  if (frame.type !== 'execute') return
  sandbox.say({ type: 'output', id: frame.id, stream: 'stdout', data: text, encoding: 'utf8' })
  sandbox.say(resultFrame(frame.id))
}
const dies = (_: RunnerFrame, sandbox: FakeSandbox) => sandbox.end({ reason: 'lost', detail: 'evicted' })
const works = () => {}

async function arrange({ max = 2, ...over }: Partial<RunnerSettings> & { max?: number } = {}) {
  const settings = { ...DEFAULT_SETTINGS, recordRetryMs: [100, 100], ...over }
  const clock = new FakeClock()
  const provider = new FakeSandboxProvider()
  const recorder = new FakeRecorder()
  const [metrics, log] = [new MemoryMetrics(), new MemoryLog()]
  provider.auto = prints('1\n')
  const pool = new Pool({ python: { warm: 1, max } }, { provider, metrics, log, clock, settings })
  const gate = new Gate({ capacity: max, waitingRuns: max, clock })
  const gates = new Map([['python', gate]])
  const { recordRetryMs } = settings
  const ending = new AbortController()
  const lingering = { now: 0 }
  const linger = () => {
    lingering.now++
    return { [Symbol.dispose]: () => lingering.now-- }
  }
  const consumer = new ExecutionConsumer({
    ...{ pool, gates, recorder, metrics, log, clock, settings, recordRetryMs, over: ending.signal },
    lookaheads: new Map([['python', { linger }]]),
  })
  const replies: Reply[] = []
  const scheduled = (over: Partial<Delivery> = {}): Delivery => ({
    envelope: anEnvelope(1),
    redelivered: false,
    ...over,
  })
  const run = (over: Partial<Delivery> = {}): Delivery =>
    scheduled({ reply: (reply) => void replies.push(reply), replyBefore: clock.now() + 10_000, ...over })
  await settled()
  return { clock, provider, recorder, metrics, log, pool, gate, consumer, ending, lingering, replies, scheduled, run }
}

const never = () => new Promise<never>(() => {})

describe('a scheduled execution', () => {
  it('is recorded and acknowledged', async () => {
    const { clock, consumer, recorder, scheduled, metrics } = await arrange()
    expect(await consumer.handle(scheduled())).toBe('ack')
    const record = recorder.records.get(ID)
    expect(record).toMatchObject({
      version: 1,
      id: ID,
      language: 'python',
      languageVersion: '3.13.5',
      acceptedAt: anEnvelope(1).acceptedAt,
      startedAt: clock.now(),
      finishedAt: clock.now(),
      result: { status: 'succeeded', stdout: '1\n' },
    })
    expect(record?.digest).toMatch(/^[0-9a-f]{64}$/)
    expect(recorder.sandboxes).toEqual(['python-1'])
    expect(metrics.get('runlet_executions_total', 'python', 'succeeded', 'warm')).toBe(1)
    expect(metrics.get('runlet_deliveries_total', 'python', 'ack')).toBe(1)
  })

  it('lingers from its end until its record is written, and its sandbox is free meanwhile', async () => {
    const { consumer, provider, recorder, lingering, scheduled } = await arrange()
    const written = Promise.withResolvers<void>()
    recorder.busy = written.promise
    const verdict = consumer.handle(scheduled())
    expect(lingering.now).toBe(0)
    await settled()
    expect([lingering.now, provider.sandboxes[0]?.destroyed]).toEqual([1, 1])
    written.resolve()
    expect([await verdict, lingering.now]).toEqual(['ack', 0])
  })

  it('is recorded without hurry only where a caller has the result already', async () => {
    const { consumer, recorder, scheduled, run } = await arrange()
    await consumer.handle(scheduled())
    await consumer.handle(run({ envelope: anEnvelope(2) }))
    await consumer.handle(run({ envelope: anEnvelope(3), replyBefore: 0 }))
    expect(recorder.options.map((options) => options?.unhurried)).toEqual([false, true, false])
  })

  it('is not run again when its record is there', async () => {
    const { consumer, provider, recorder, scheduled } = await arrange()
    await consumer.handle(scheduled())
    const sent = () => provider.sandboxes.flatMap((sandbox) => sandbox.sent).length
    expect(await consumer.handle(scheduled({ redelivered: true }))).toBe('ack')
    expect([sent(), recorder.sandboxes.length]).toEqual([1, 1])
  })

  it('is run when it was handed out before without a record', async () => {
    const { consumer, recorder, scheduled } = await arrange()
    expect(await consumer.handle(scheduled({ redelivered: true }))).toBe('ack')
    expect(recorder.records.has(ID)).toBe(true)
    // An earlier attempt has its own sandbox: with the record on each there would be two.
    expect(recorder.sandboxes).toEqual([undefined])
  })

  it('is not recorded on its sandbox when it is no longer held: another attempt may have begun', async () => {
    const { consumer, recorder, scheduled } = await arrange()
    await consumer.handle(scheduled({ isHeld: () => false }))
    expect(recorder.sandboxes).toEqual([undefined])
  })

  it('goes back when looking for its record fails in another way', async () => {
    const { consumer, recorder, scheduled } = await arrange()
    recorder.failures = 1
    expect(await consumer.handle(scheduled({ redelivered: true }))).toBe('requeue')
  })

  it('goes back when its sandbox was lost', async () => {
    const { consumer, provider, scheduled, recorder } = await arrange()
    const [warm] = provider.sandboxes
    if (warm) warm.agent = dies
    expect(await consumer.handle(scheduled())).toBe('requeue')
    expect(recorder.records.size).toBe(0)
  })

  it('is acknowledged only after its record is written, in another attempt if need be', async () => {
    const { clock, consumer, recorder, scheduled } = await arrange()
    recorder.failures = 2
    const verdict = consumer.handle(scheduled())
    await clock.advance(200)
    expect(await verdict).toBe('ack')
    expect(recorder.records.size).toBe(1)
  })

  it('stays until its record can be written, however long that takes: going back would use up its attempts', async () => {
    const { clock, consumer, provider, recorder, scheduled } = await arrange()
    recorder.failures = 500
    const verdict = consumer.handle(scheduled())
    await clock.advance(60_000)
    expect(await verdict).toBe('ack')
    expect(recorder.records.size).toBe(1)
    expect(provider.sandboxes.flatMap(({ sent }) => sent).filter(({ type }) => type === 'execute')).toHaveLength(1)
  })

  it('goes back when its record can not be written before the runner ends, so that it is not lost', async () => {
    const { clock, consumer, recorder, ending, scheduled } = await arrange()
    recorder.failures = Number.POSITIVE_INFINITY
    const verdict = consumer.handle(scheduled())
    await clock.advance(10_000)
    ending.abort()
    await clock.advance(100)
    expect(await verdict).toBe('requeue')
  })

  it('is not written down by who no longer holds it', async () => {
    const { clock, consumer, recorder, scheduled } = await arrange()
    let held = true
    recorder.failures = Number.POSITIVE_INFINITY
    const verdict = consumer.handle(scheduled({ isHeld: () => held }))
    await clock.advance(10_000)
    held = false
    await clock.advance(100)
    expect(await verdict).toBe('requeue')
  })

  it('stays until somebody can say whether it was recorded', async () => {
    const { clock, consumer, recorder, scheduled } = await arrange()
    let away = 100
    const { takeOver } = recorder
    recorder.takeOver = (id) =>
      away-- > 0 ? Promise.reject(new AppError('store_unavailable')) : takeOver.call(recorder, id)
    const verdict = consumer.handle(scheduled({ redelivered: true }))
    await clock.advance(99_000)
    expect(recorder.records.size).toBe(0)
    await clock.advance(1_000)
    expect(await verdict).toBe('ack')
    expect(recorder.records.size).toBe(1)
  })

  it('goes back when the runner ends before somebody can say that, or when it is no longer held', async () => {
    for (const change of ['over', 'lost'] as const) {
      const { clock, consumer, recorder, ending, scheduled } = await arrange()
      let held = true
      recorder.takeOver = () => Promise.reject(new AppError('store_unavailable'))
      const verdict = consumer.handle(scheduled({ redelivered: true, isHeld: () => held }))
      await clock.advance(10_000)
      if (change === 'over') ending.abort()
      else held = false
      await clock.advance(1_000)
      expect(await verdict).toBe('requeue')
    }
  })

  it('goes back when this runner does not run its language', async () => {
    const { consumer, scheduled } = await arrange()
    expect(await consumer.handle(scheduled({ envelope: anEnvelope(1, 'cobol') }))).toBe('requeue')
  })

  it('is given up when trying again is of no use', async () => {
    const { consumer, recorder, scheduled } = await arrange()
    recorder.takeOver = () => Promise.reject(new AppError('invalid_request'))
    expect(await consumer.handle(scheduled({ redelivered: true }))).toBe('dead-letter')
  })

  it('waits while the pool is held, instead of burning its attempts', async () => {
    const { clock, consumer, provider, scheduled } = await arrange({ holdAfter: 1, claimWaitMs: 100_000 })
    const verdicts: string[] = []
    void consumer.handle(scheduled()).then((verdict) => verdicts.push(verdict))
    await settled()
    provider.auto = undefined
    void consumer.handle(scheduled({ envelope: anEnvelope(2) })).then((verdict) => verdicts.push(verdict))
    await settled()
    for (const start of provider.starts) start.fail(new Error('no nodes'))
    await clock.advance(500)
    expect(verdicts).toEqual(['ack'])
    provider.auto = prints('2\n')
    await clock.advance(1_000)
    expect(verdicts).toEqual(['ack', 'ack'])
  })
})

describe('a run', () => {
  it('that is no longer held is left to whoever holds it now', async () => {
    const { consumer, provider, recorder, replies, run } = await arrange()
    await consumer.handle(run({ isHeld: () => false }))
    expect([replies, recorder.records.size]).toEqual([[], 1])
    for (const sandbox of provider.sandboxes) sandbox.agent = dies
    provider.auto = dies
    await consumer.handle(run({ isHeld: () => false }))
    expect(provider.sandboxes.flatMap(({ sent }) => sent).filter(({ type }) => type === 'execute')).toHaveLength(2)
  })

  it('is answered before its record is written, and recorded too', async () => {
    const { consumer, recorder, replies, run } = await arrange()
    const store = Promise.withResolvers<void>()
    recorder.busy = store.promise
    const verdict = consumer.handle(run())
    await settled()
    expect(replies).toEqual([{ id: ID, result: expect.objectContaining({ status: 'succeeded', stdout: '1\n' }) }])
    expect(recorder.records.size).toBe(0)
    store.resolve()
    expect(await verdict).toBe('ack')
    expect(recorder.records.size).toBe(1)
  })

  it('that is warm is sent and answered without a timer and without a turn of the event loop', async () => {
    const { clock, consumer, replies, run } = await arrange()
    void consumer.handle(run())
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
    expect(replies).toHaveLength(1)
    expect(clock.monotonic()).toBe(0)
  })

  it('has its record on the way before its sandbox is destroyed: the record may be written to what the sandbox is made of', async () => {
    const { consumer, provider, recorder, run } = await arrange()
    const order: string[] = []
    const [warm] = provider.sandboxes
    if (warm) warm.destroy = async () => void order.push('destroy')
    recorder.record = async () => void order.push('record')
    await consumer.handle(run({ reply: () => void order.push('reply') }))
    expect(order).toEqual(['reply', 'record', 'destroy'])
  })

  it('does not wait for its sandbox to be gone', async () => {
    const { consumer, provider, run } = await arrange()
    const [warm] = provider.sandboxes
    if (warm) warm.destroying = never()
    expect(await consumer.handle(run())).toBe('ack')
    expect(warm?.destroyed).toBe(1)
  })

  it('says where the time went only when asked to', async () => {
    const steps = ['queue', 'gate', 'claim', 'first_frame', 'guest', 'result', 'runner']
    for (const timings of [true, false]) {
      const { consumer, replies, run } = await arrange({ timings })
      await consumer.handle(run())
      const [reply] = replies
      expect(Object.keys((reply && 'result' in reply && reply.timings) || {})).toEqual(timings ? steps : [])
    }
  })

  it('has its reply on the way before anything is done for its record', async () => {
    const { consumer, recorder, run } = await arrange()
    let recordsThen: number | undefined
    // As a broker's client does: what was published is written at the end of the turn.
    const reply = () => process.nextTick(() => setImmediate(() => (recordsThen = recorder.records.size)))
    expect(await consumer.handle(run({ reply }))).toBe('ack')
    expect([recordsThen, recorder.records.size]).toEqual([0, 1])
  })

  it('is tried once more when its sandbox was lost, and that is counted', async () => {
    const { consumer, provider, replies, metrics, run } = await arrange()
    const [warm] = provider.sandboxes
    if (warm) warm.agent = dies
    expect(await consumer.handle(run())).toBe('ack')
    expect(replies).toEqual([{ id: ID, result: expect.objectContaining({ stdout: '1\n' }) }])
    expect(warm?.destroyed).toBe(1)
    expect(metrics.get('runlet_run_retries_total', 'python')).toBe(1)
  })

  it('is told when its second sandbox was lost too', async () => {
    const { consumer, provider, replies, recorder, run } = await arrange()
    provider.auto = dies
    const [warm] = provider.sandboxes
    if (warm) warm.agent = dies
    expect(await consumer.handle(run())).toBe('ack')
    expect(replies).toEqual([{ id: ID, error: { code: 'sandbox_lost', message: expect.any(String) } }])
    expect(recorder.records.size).toBe(0)
  })

  it('is told that there is no capacity while its caller still waits', async () => {
    const { clock, consumer, provider, replies, run } = await arrange({ max: 1 })
    const [warm] = provider.sandboxes
    if (warm) warm.agent = works
    void consumer.handle(run({ replyBefore: clock.now() + 60_000 }))
    await settled()
    const verdict = consumer.handle(run({ envelope: anEnvelope(2), replyBefore: clock.now() + 1_000 }))
    await clock.advance(900)
    expect(await verdict).toBe('ack')
    expect(replies).toEqual([{ id: executionId(2), error: { code: 'no_capacity', message: expect.any(String) } }])
  })

  it('is told at once that sandboxes can not be started', async () => {
    const { clock, consumer, provider, replies, run, scheduled } = await arrange({ holdAfter: 1 })
    provider.auto = undefined
    await consumer.handle(scheduled())
    await clock.advance(30)
    provider.starts.at(-1)?.fail(new Error('no nodes'))
    await clock.advance(30)
    expect(await consumer.handle(run({ envelope: anEnvelope(2) }))).toBe('ack')
    expect(replies).toEqual([
      { id: executionId(2), error: { code: 'sandbox_unavailable', message: expect.not.stringContaining('no nodes') } },
    ])
  })

  it('whose caller gave up before it began is run for its record, behind those who are awaited', async () => {
    const { clock, consumer, recorder, run } = await arrange()
    expect(await consumer.handle(run({ replyBefore: clock.now() - 1 }))).toBe('ack')
    expect(recorder.records.get(ID)?.result.status).toBe('succeeded')
  })

  it('whose caller gave up meanwhile goes back when it was not run', async () => {
    const { clock, consumer, provider, run } = await arrange({ max: 1 })
    const [warm] = provider.sandboxes
    if (warm) warm.agent = works
    const verdict = consumer.handle(run({ replyBefore: clock.now() + 500 }))
    await clock.advance(600)
    warm?.end({ reason: 'lost', detail: 'evicted' })
    expect(await verdict).toBe('requeue')
  })

  it('whose record can not be written is done when its caller has the result, else it is written when that works', async () => {
    for (const [replyIn, recorded] of [
      [10_000, 0],
      [-1, 1],
    ] as const) {
      const { clock, consumer, recorder, run } = await arrange()
      recorder.failures = 5
      const verdict = consumer.handle(run({ replyBefore: clock.now() + replyIn }))
      await clock.advance(600)
      expect([await verdict, recorder.records.size]).toEqual(['ack', recorded])
    }
  })

  it('that was handed out before is told at once that the store is away', async () => {
    const { consumer, recorder, replies, run } = await arrange()
    recorder.takeOver = () => Promise.reject(new AppError('store_unavailable'))
    expect(await consumer.handle(run({ redelivered: true }))).toBe('ack')
    expect(replies).toEqual([{ id: ID, error: { code: 'store_unavailable', message: expect.any(String) } }])
  })
})

describe('an execution that takes long', () => {
  it('is shown as running after a while, and its record waits for that', async () => {
    const { clock, consumer, provider, recorder, scheduled } = await arrange()
    const [warm] = provider.sandboxes
    if (warm) warm.agent = works
    const verdict = consumer.handle(scheduled())
    await clock.advance(499)
    expect(recorder.running).toEqual([])
    const mark = Promise.withResolvers<void>()
    recorder.busy = mark.promise
    await clock.advance(1)
    expect(recorder.running).toEqual([ID])
    recorder.busy = Promise.resolve()
    warm?.say(resultFrame(ID))
    await settled()
    expect([recorder.records.size, warm?.destroyed]).toEqual([0, 0])
    mark.resolve()
    expect(await verdict).toBe('ack')
    expect([recorder.records.size, warm?.destroyed]).toEqual([1, 1])
  })

  it('costs a short one nothing', async () => {
    const { clock, consumer, recorder, scheduled } = await arrange()
    await consumer.handle(scheduled())
    await clock.advance(5_000)
    expect(recorder.running).toEqual([])
  })

  it('is not hurt by a mark that fails', async () => {
    const { clock, consumer, provider, recorder, scheduled } = await arrange()
    const [warm] = provider.sandboxes
    if (warm) warm.agent = works
    recorder.failures = 1
    const verdict = consumer.handle(scheduled())
    await clock.advance(600)
    warm?.say(resultFrame(ID))
    expect(await verdict).toBe('ack')
  })
})

describe('shutting down', () => {
  it('sends those who wait away: runs hear it, scheduled executions go back at once', async () => {
    const { clock, consumer, gate, provider, pool, replies, run, scheduled } = await arrange({ max: 1 })
    const [warm] = provider.sandboxes
    if (warm) warm.agent = works
    const working = consumer.handle(scheduled())
    await settled()
    const waiting = [consumer.handle(run({ envelope: anEnvelope(2) })), consumer.handle(scheduled())]
    gate.close()
    const drained = pool.drain()
    expect(await Promise.all(waiting)).toEqual(['ack', 'requeue'])
    expect(replies).toEqual([{ id: executionId(2), error: { code: 'shutting_down', message: expect.any(String) } }])
    warm?.say(resultFrame(ID))
    expect(await working).toBe('ack')
    await drained
    await clock.advance(0)
  })
})
