import type { Channel, ConsumeMessage } from 'amqplib'
import { describe, expect, it } from 'vitest'
import { AppError, ERROR_CODES } from '../core/errors.ts'
import type { Verdict } from '../core/ports.ts'
import { giveBack, settle, verdictOn } from './verdict.ts'

const message = {} as ConsumeMessage

/** Notes what it is told; a closed one throws, as amqplib's does. */
function channel(closed = false) {
  const calls: unknown[][] = []
  const note =
    (name: string) =>
    (_: ConsumeMessage, ...rest: unknown[]) => {
      if (closed) throw new Error('Channel closed')
      calls.push([name, ...rest])
    }
  const fake = { ack: note('ack'), reject: note('reject'), nack: note('nack') }
  return { calls, channel: fake as unknown as Channel }
}

describe('the verdict on a handler that threw', () => {
  it('gives up what no repetition mends, and hands out again all else', () => {
    for (const code of ERROR_CODES) {
      const error = new AppError(code)
      expect(verdictOn(error)).toBe(error.kind.retry === 'never' ? 'dead-letter' : 'requeue')
    }
    expect(verdictOn(new TypeError('a bug'))).toBe('requeue')
    expect(verdictOn('a string')).toBe('requeue')
  })
})

describe('settling', () => {
  it.each<[Verdict, unknown[]]>([
    ['ack', ['ack']],
    ['requeue', ['reject', true]],
    ['dead-letter', ['reject', false]],
  ])('%s tells the broker %j', (verdict, call) => {
    const { calls, channel: open } = channel()
    expect(settle(open, message, verdict)).toBe(true)
    expect(calls).toEqual([call])
  })

  it.each<Verdict>(['ack', 'requeue', 'dead-letter'])('%s on a channel that is gone is dropped', (verdict) => {
    expect(settle(channel(true).channel, message, verdict)).toBe(false)
  })
})

describe('giving back', () => {
  it('is no attempt, and no error when the channel is gone', () => {
    const { calls, channel: open } = channel()
    giveBack(open, message)
    expect(calls).toEqual([['nack', false, true]])
    expect(() => giveBack(channel(true).channel, message)).not.toThrow()
  })
})
