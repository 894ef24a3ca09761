import type { MessageProperties } from 'amqplib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ERROR_CODES } from '../core/errors.ts'
import { type Envelope, emptyResult } from '../core/execution.ts'
import { LimitSettings, resolveLimits } from '../core/limits.ts'
import type { Reply } from '../core/ports.ts'
import {
  decodeEnvelope,
  decodeReply,
  encode,
  replyAddress,
  runProperties,
  scheduleProperties,
  wasDelivered,
} from './messages.ts'

const ID = 'a'.repeat(48)
const envelope: Envelope = {
  version: 1,
  id: ID,
  acceptedAt: 1_700_000_000_000,
  program: {
    language: 'python',
    code: 'print("ä\u2028\u0000😀")',
    stdin: '',
    args: ['-x'],
    env: { A: 'b' },
    files: [{ name: 'data/a.bin', content: 'AAE=', encoding: 'base64' }],
    limits: resolveLimits(LimitSettings.parse({})),
  },
}

/** What arrives on the other end. */
const arrived = (properties: object) => properties as MessageProperties

describe('an envelope', () => {
  it('comes out as it went in', () => {
    expect(decodeEnvelope(encode(envelope), 'python')).toEqual({ value: envelope })
    expect(decodeEnvelope(encode(envelope))).toEqual({ value: envelope })
  })

  it('of a newer version is told by it, whatever else it holds', () => {
    expect(decodeEnvelope(Buffer.from('{"version": 2, "what": "else"}'), 'python')).toEqual({ newer: 2 })
  })

  it('is refused in the queue of another language', () => {
    expect(decodeEnvelope(encode(envelope), 'javascript')).toEqual({
      fault: 'program.language: is not that of the queue, "javascript"',
    })
  })

  it.each([
    ['', 'is not JSON'],
    ['{"secret', 'is not JSON'],
    ['null', 'body: '],
    ['[]', 'body: '],
    [JSON.stringify({ ...envelope, id: '../etc' }), 'id: '],
    [JSON.stringify({ ...envelope, version: 0 }), 'version: '],
    [JSON.stringify({ ...envelope, program: { ...envelope.program, code: 1 } }), 'program.code: '],
  ])('that is %j is a fault that names the place', (text, start) => {
    const decoded = decodeEnvelope(Buffer.from(text))
    expect(decoded).toEqual({ fault: expect.stringContaining(start) })
    expect(JSON.stringify(decoded)).not.toContain('secret')
  })
})

/** Envelopes of any program that may be asked for, as far as their shape goes. */
const envelopes = fc
  .record({
    code: fc.string({ unit: 'binary' }),
    stdin: fc.string({ unit: 'grapheme' }),
    args: fc.array(fc.string()),
    env: fc.dictionary(fc.stringMatching(/^[A-Z]{1,9}$/), fc.string()),
  })
  .map((fields): Envelope => ({ ...envelope, program: { ...envelope.program, ...fields } }))

/** A valid envelope in which one value, at any depth, is another one. */
const damaged = fc.record({ value: envelopes, at: fc.nat(), junk: fc.jsonValue() }).map(({ value, at, junk }) => {
  const places: [object, string][] = []
  const copy = JSON.parse(JSON.stringify(value), function (this: object, key: string, inner: unknown) {
    if (key !== '') places.push([this, key])
    return inner
  })
  const [holder, key] = places[at % places.length] ?? [{}, '']
  Object.assign(holder, { [key]: junk })
  return copy as unknown
})

describe('the decoder of messages', () => {
  it('gives back every envelope that was encoded', () => {
    fc.assert(fc.property(envelopes, (value) => void expect(decodeEnvelope(encode(value))).toEqual({ value })))
  })

  it('never throws, whatever the bytes or the JSON', () => {
    const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array))
    const contents = fc.oneof(
      bytes,
      fc.oneof(fc.jsonValue(), damaged).map((value) => Buffer.from(JSON.stringify(value))),
    )
    fc.assert(
      fc.property(contents, (content) => {
        for (const decoded of [decodeEnvelope(content), decodeReply(content)])
          expect(Object.keys(decoded)).toEqual([expect.stringMatching(/^(value|fault|newer)$/)])
      }),
    )
  })

  it.each([
    { ...envelope, program: { ...envelope.program, env: { MARKER: 1 } } },
    { ...envelope, program: { ...envelope.program, MARKER: 1, code: 1 } },
    { ...envelope, MARKER: 'MARKER', id: 'MARKER' },
    { ...envelope, program: 'MARKER' },
    { ...envelope, program: { ...envelope.program, language: 'MARKER', files: [{ MARKER: 'MARKER' }] } },
  ])('says nothing of what is in a message that it refuses: %j', (value) => {
    const decoded = decodeEnvelope(Buffer.from(JSON.stringify(value)))
    expect(decoded).toHaveProperty('fault')
    expect(JSON.stringify(decoded)).not.toContain('MARKER')
  })
})

describe('a reply', () => {
  const replies: Reply[] = [
    { id: ID, result: emptyResult('timed_out') },
    { id: ID, result: { ...emptyResult('failed'), exitCode: 3 }, timings: { claim: 0.4 } },
    ...ERROR_CODES.map((code) => ({ id: ID, error: { code, message: 'why' } })),
  ]

  it.each(replies)('comes out as it went in: %j', (reply) => {
    expect(decodeReply(encode(reply))).toEqual({ value: reply })
  })

  it.each([
    { id: ID },
    { id: ID, result: { ...emptyResult('failed'), status: 'queued' } },
    { result: emptyResult('failed') },
  ])('of another shape is a fault: %j', (value) => {
    expect(decodeReply(Buffer.from(JSON.stringify(value)))).toHaveProperty('fault')
  })
})

describe('properties', () => {
  it('of a scheduled execution keep it on disk and in nobody’s name', () => {
    expect(scheduleProperties(ID, false)).toEqual({
      messageId: ID,
      persistent: true,
      mandatory: true,
      contentType: 'application/json',
    })
  })

  it('say where to answer a run, and until when', () => {
    const properties = runProperties(ID, 'p.replies.1', 1_700_000_009_000)
    expect(properties).toMatchObject({ messageId: ID, correlationId: ID, persistent: false, mandatory: true })
    expect(replyAddress(arrived(properties), 'p.replies.')).toEqual({
      replyTo: 'p.replies.1',
      replyBefore: 1_700_000_009_000,
    })
  })

  it('never make the runner answer elsewhere', () => {
    for (const replyTo of ['p.executions.python', 'q.replies.1', '', undefined])
      expect(replyAddress(arrived({ replyTo, headers: {} }), 'p.replies.')).toBeUndefined()
  })

  it('may lack the time of the answer, or have a senseless one', () => {
    for (const deadline of [undefined, 'soon', Number.NaN])
      expect(
        replyAddress(arrived({ replyTo: 'p.replies.1', headers: { 'runlet-reply-before': deadline } }), 'p.replies.'),
      ).toEqual({ replyTo: 'p.replies.1', replyBefore: undefined })
    expect(replyAddress(arrived({ replyTo: 'p.replies.1' }), 'p.replies.')).toMatchObject({ replyTo: 'p.replies.1' })
  })

  it('tell whether a message may have been seen before', () => {
    expect(wasDelivered(false, arrived(scheduleProperties(ID, false)))).toBe(false)
    expect(wasDelivered(false, arrived({ headers: { 'x-delivery-count': 0 } }))).toBe(false)
    expect(wasDelivered(true, arrived({}))).toBe(true)
    expect(wasDelivered(false, arrived(scheduleProperties(ID, true)))).toBe(true)
    expect(wasDelivered(false, arrived({ headers: { 'x-delivery-count': 1 } }))).toBe(true)
  })

  it('with a code that only a newer runner knows is trouble of ours', () => {
    const content = Buffer.from(JSON.stringify({ id: ID, error: { code: 'of tomorrow', message: 'a' } }))
    expect(decodeReply(content)).toEqual({ value: { id: ID, error: { code: 'internal', message: 'a' } } })
  })
})
