import { describe, expect, it } from 'vitest'
import { anEnvelope } from '../tests/fakes/local.ts'
import { Envelope } from './execution.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'
const GOOD = `00-${TRACE}-${SPAN}-01`

describe('the traceparent of an envelope', () => {
  it('stays when it is one', () => {
    expect(Envelope.parse({ ...anEnvelope(1), traceparent: GOOD })).toEqual({ ...anEnvelope(1), traceparent: GOOD })
  })

  it.each([
    ['of another version', `01-${TRACE}-${SPAN}-01`],
    ['in upper case', GOOD.toUpperCase()],
    ['with a trace of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['with a span of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['with more behind it', `${GOOD}-01`],
    ['with a line break behind it', `${GOOD}\n`],
    ['too short', GOOD.slice(1)],
    ['empty', ''],
    ['a number', 7],
    ['an object', { toString: 'x' }],
    ['null', null],
  ])('is dropped, and the execution is not, when it is %s', (_, traceparent) => {
    expect(Envelope.parse({ ...anEnvelope(1), traceparent })).toEqual(anEnvelope(1))
  })
})
