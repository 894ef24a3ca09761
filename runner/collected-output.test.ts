import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { OutputFrame } from '../core/frames.ts'
import { CollectedOutput } from './collected-output.ts'

const frame = (stream: OutputFrame['stream'], bytes: Buffer): OutputFrame => ({
  type: 'output',
  id: 'x',
  stream,
  data: bytes.toString('base64'),
  encoding: 'base64',
})
const text = (stream: OutputFrame['stream'], data: string) => frame(stream, Buffer.from(data))

describe('CollectedOutput', () => {
  it('joins the chunks of each stream, also in the middle of a character', () => {
    const output = new CollectedOutput(100)
    const euro = Buffer.from('€')
    output.add(frame('stdout', euro.subarray(0, 1)))
    output.add(text('stderr', 'oops'))
    output.add(frame('stdout', euro.subarray(1)))
    expect(output.encode(false)).toEqual({
      stdout: '€',
      stdoutEncoding: 'utf8',
      stderr: 'oops',
      stderrEncoding: 'utf8',
    })
    expect(output.dropped).toBe(false)
  })

  it('keeps up to the limit for both streams together, and knows that more came', () => {
    const output = new CollectedOutput(10)
    output.add(text('stdout', '123456'))
    output.add(text('stderr', 'abcdef'))
    output.add(text('stdout', '7'))
    expect(output.encode(true)).toMatchObject({ stdout: '123456', stderr: 'abcd' })
    expect(output.dropped).toBe(true)
  })

  it('gives bytes that are no text as base64', () => {
    const output = new CollectedOutput(10)
    output.add(frame('stdout', Buffer.from([0xff, 0x00])))
    expect(output.encode(false)).toMatchObject({ stdout: '/wA=', stdoutEncoding: 'base64' })
  })

  it('holds a cut text together although its last character was cut', () => {
    const output = new CollectedOutput(4)
    output.add(text('stdout', '€€'))
    expect(output.encode(true)).toMatchObject({ stdout: '€', stdoutEncoding: 'utf8' })
  })

  it('calls it a flood only far beyond the limit', () => {
    const output = new CollectedOutput(1_000)
    const chunk = frame('stdout', Buffer.alloc(32 * 1024))
    const answers = Array.from({ length: 9 }, () => output.add(chunk))
    expect(answers).toEqual([true, true, true, true, true, true, true, true, false])
    expect(Buffer.byteLength(output.encode(true).stdout)).toBe(1_000)
  })

  it('takes nothing after it was closed', () => {
    const output = new CollectedOutput(10)
    output.add(text('stdout', 'before'))
    output.close()
    expect(output.add(frame('stdout', Buffer.alloc(1024 * 1024)))).toBe(true)
    expect([output.encode(false).stdout, output.dropped]).toEqual(['before', false])
  })

  it('gives back exactly the first bytes, however they were cut', () => {
    const chunks = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 20 })
    fc.assert(
      fc.property(chunks, fc.nat(300), (parts, limit) => {
        const output = new CollectedOutput(limit)
        for (const part of parts) output.add(frame('stdout', Buffer.from(part)))
        const { stdout, stdoutEncoding } = output.encode(false)
        const all = Buffer.concat(parts)
        expect(Buffer.from(stdout, stdoutEncoding)).toEqual(all.subarray(0, limit))
        expect(output.dropped).toBe(all.length > limit)
      }),
    )
  })
})
