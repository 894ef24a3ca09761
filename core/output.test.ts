import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeOutput, encodeOutput } from './output.ts'

describe('output as JSON text', () => {
  it('gives back exactly the bytes that went in', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(decodeOutput(encodeOutput(Buffer.from(bytes), false))).toEqual(Buffer.from(bytes))
      }),
    )
  })

  it('keeps text as text', () => {
    expect(encodeOutput(Buffer.from('naïve 😀\u0000\n'), false)).toEqual({ text: 'naïve 😀\u0000\n', encoding: 'utf8' })
  })

  it('turns other bytes into base64', () => {
    expect(encodeOutput(Buffer.from([0xff, 0xfe]), false)).toEqual({ text: '//4=', encoding: 'base64' })
  })

  it('drops at most the one character that a cut went through', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.nat(), (text, at) => {
        const bytes = Buffer.from(text)
        const cut = bytes.subarray(0, bytes.length === 0 ? 0 : at % bytes.length)
        const encoded = encodeOutput(cut, true)
        expect(encoded.encoding).toBe('utf8')
        expect(text.startsWith(encoded.text)).toBe(true)
        expect(cut.length - Buffer.byteLength(encoded.text)).toBeLessThanOrEqual(3)
      }),
    )
  })

  it('does not take an incomplete end for a cut when nothing was cut', () => {
    expect(encodeOutput(Buffer.from([0x61, 0xe2, 0x82]), false).encoding).toBe('base64')
    expect(encodeOutput(Buffer.from([0x61, 0xe2, 0x82]), true)).toEqual({ text: 'a', encoding: 'utf8' })
  })

  it('leaves binary output that was cut as base64', () => {
    expect(encodeOutput(Buffer.from([0xff, 0x61, 0xe2, 0x82]), true).encoding).toBe('base64')
    expect(encodeOutput(Buffer.from([0x80, 0x80, 0x80, 0x80]), true).encoding).toBe('base64')
  })
})
