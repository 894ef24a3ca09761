import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { WatchLines } from './watch-lines.ts'

const line = (name: string) => `${JSON.stringify({ type: 'ADDED', object: { metadata: { name } } })}\n`

function pushAll(text: string, cuts: number[]) {
  const bytes = Buffer.from(text)
  const lines = new WatchLines()
  const edges = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  return [...edges, bytes.length].flatMap((end, index) => lines.push(bytes.subarray(edges[index - 1] ?? 0, end)))
}

describe('WatchLines', () => {
  it('gives the same events however the bytes are split', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 5 }), fc.array(fc.nat()), (names, cuts) => {
        const events = pushAll(names.map(line).join(''), cuts)
        expect(events.map(({ object }) => (object as { metadata: { name: string } }).metadata.name)).toEqual(names)
      }),
    )
  })

  it('ignores empty lines and keeps what is not ended', () => {
    const lines = new WatchLines()
    expect(lines.push(Buffer.from(`\n${line('a')}{"type"`))).toHaveLength(1)
    expect(lines.push(Buffer.from(':"BOOKMARK"}\n'))).toEqual([{ type: 'BOOKMARK', object: undefined }])
  })

  it.each(['nonsense\n', '{"object":{}}\n', 'null\n', '{"type":7}\n'])('throws on %j', (text) => {
    expect(() => new WatchLines().push(Buffer.from(text))).toThrow(/watch/)
  })

  it('throws on a line without end', () => {
    const lines = new WatchLines()
    const megabytes = Buffer.alloc(1024 * 1024, 120)
    expect(() => {
      for (let count = 0; count < 17; count++) lines.push(megabytes)
    }).toThrow(/longer than/)
  })
})
