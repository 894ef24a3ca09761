import { describe, expect, it } from 'vitest'
import { AppError } from '../core/errors.ts'
import type { Delivery, Reply } from '../core/ports.ts'
import { anEnvelope, executionId } from '../tests/fakes/local.ts'
import { isAwaited, replyError, waitOptions } from './caller.ts'

const NOW = 1_000_000
const PATIENCE = { replyMarginMs: 100, claimWaitMs: 60_000 }
const scheduled: Delivery = { envelope: anEnvelope(1), redelivered: false }
const run = (inMs: number): Delivery => ({ ...scheduled, reply: () => {}, replyBefore: NOW + inMs })

describe('a delivery', () => {
  it.each([
    ['scheduled', scheduled, false],
    ['a run with time left', run(10_000), true],
    ['a run with hardly more than half the margin left', run(51), true],
    ['a run with half the margin left', run(50), false],
    ['a run whose time is over', run(-1), false],
  ])('that is %s', (_, delivery, awaited) => {
    expect(isAwaited(delivery, NOW, PATIENCE)).toBe(awaited)
    const expected = awaited
      ? { priority: 'run', deadline: (delivery.replyBefore ?? 0) - 100 }
      : { priority: 'execution', deadline: NOW + 60_000 }
    expect(waitOptions(delivery, NOW, PATIENCE)).toEqual(expected)
  })
})

describe('replyError', () => {
  it('says code and public text, not the cause', () => {
    const replies: Reply[] = []
    const error = new AppError('sandbox_lost', undefined, { cause: new Error('node-7 is gone') })
    replyError({ ...run(1), reply: (reply) => void replies.push(reply) }, error)
    replyError(scheduled, error)
    const message = 'The sandbox was lost before it gave a result'
    expect(replies).toEqual([{ id: executionId(1), error: { code: 'sandbox_lost', message } }])
  })
})
