import { describe, expect, it } from 'vitest'
import type { Delivery, Reply } from '../core/ports.ts'
import { FakeClock } from '../tests/fakes/clock.ts'
import { anEnvelope, aRecord, executionId, MemoryLog } from '../tests/fakes/local.ts'
import { MemoryMetrics } from '../tests/fakes/metrics.ts'
import { FakeRecorder } from '../tests/fakes/recorder.ts'
import { createDeadLetterHandler } from './dead-letters.ts'
import { DEFAULT_SETTINGS } from './settings.ts'

const ID = executionId(1)

function arrange() {
  const clock = new FakeClock()
  const recorder = new FakeRecorder()
  const metrics = new MemoryMetrics()
  const replies: Reply[] = []
  const handle = createDeadLetterHandler({
    recorder,
    clock,
    metrics,
    log: new MemoryLog(),
    settings: DEFAULT_SETTINGS,
    recordRetryMs: [10],
  })
  const queue = { takes: true, scheduled: 0 }
  const reschedule = async () => {
    if (queue.takes) queue.scheduled++
    return queue.takes
  }
  const letter = (replyIn?: number): Delivery => ({
    envelope: anEnvelope(1),
    redelivered: true,
    ...(replyIn !== undefined && {
      reply: (reply) => void replies.push(reply),
      replyBefore: clock.now() + replyIn,
      reschedule,
    }),
  })
  return { clock, recorder, metrics, replies, queue, handle, letter }
}

describe('a dead letter', () => {
  it('is recorded as lost', async () => {
    const { clock, recorder, metrics, handle, letter } = arrange()
    expect(await handle(letter())).toBe('ack')
    expect(recorder.records.get(ID)).toMatchObject({
      id: ID,
      languageVersion: null,
      startedAt: null,
      finishedAt: clock.now(),
      result: { status: 'lost', stdout: '', exitCode: null },
    })
    expect(recorder.sandboxes).toEqual([undefined])
    expect(metrics.get('runlet_executions_total', 'python', 'lost', 'none')).toBe(1)
    expect(metrics.get('runlet_dead_letters_total', 'python', 'recorded')).toBe(1)
  })

  it('of an execution that did end changes nothing', async () => {
    const { recorder, handle, letter, metrics } = arrange()
    await recorder.record(aRecord(1))
    expect(await handle(letter())).toBe('ack')
    expect(metrics.get('runlet_dead_letters_total', 'python', 'known')).toBe(1)
    expect(recorder.records.get(ID)?.result.status).toBe('succeeded')
  })

  it('of a run whose caller still waits is answered, and nothing is kept', async () => {
    const { recorder, replies, queue, handle, letter, metrics } = arrange()
    expect(await handle(letter(1_000))).toBe('ack')
    expect(queue.scheduled).toBe(0)
    expect(metrics.get('runlet_dead_letters_total', 'python', 'answered')).toBe(1)
    expect(replies).toEqual([{ id: ID, error: { code: 'no_capacity', message: expect.any(String) } }])
    expect(recorder.records.size).toBe(0)
  })

  it.each([-1, 0, 40])(
    'of a run whose caller gives up in %i ms goes on as a scheduled execution, as they may have been told 202',
    async (ms) => {
      const { recorder, replies, queue, metrics, handle, letter } = arrange()
      expect(await handle(letter(ms))).toBe('ack')
      expect(queue.scheduled).toBe(1)
      expect(replies).toEqual([])
      expect(recorder.records.size).toBe(0)
      expect(metrics.get('runlet_dead_letters_total', 'python', 'rescheduled')).toBe(1)
    },
  )

  it('of a run that did end after all is not run again', async () => {
    const { recorder, queue, handle, letter } = arrange()
    await recorder.record(aRecord(1))
    expect(await handle(letter(-1))).toBe('ack')
    expect(queue.scheduled).toBe(0)
  })

  it('of a run comes again when it can not be scheduled', async () => {
    const { recorder, queue, metrics, handle, letter } = arrange()
    queue.takes = false
    expect(await handle(letter(-1))).toBe('requeue')
    expect(recorder.records.size).toBe(0)
    expect(metrics.get('runlet_dead_letters_total', 'python', 'failed')).toBe(1)
  })

  it.each([
    ['looked for', 1],
    ['written', 3],
  ])('comes again when its record can not be %s', async (_, failures) => {
    const { clock, recorder, handle, letter, metrics } = arrange()
    recorder.failures = failures
    const takeOver = recorder.takeOver.bind(recorder)
    if (failures > 1) recorder.takeOver = async () => false
    const verdict = handle(letter())
    await clock.advance(1_010)
    expect(await verdict).toBe('requeue')
    expect(metrics.get('runlet_dead_letters_total', 'python', 'failed')).toBe(1)
    expect(await takeOver(ID).catch(() => false)).toBe(false)
  })
})
