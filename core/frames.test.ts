import { globSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type AgentFrame,
  encodeFrame,
  FrameDecoder,
  FrameError,
  MAX_AGENT_LINE_BYTES,
  outputBytes,
  parseAgentFrame,
} from './frames.ts'

const ready: AgentFrame = { type: 'ready', protocol: 1, language: 'python', version: '3.13.5', slots: 1 }
const output: AgentFrame = { type: 'output', id: 'a', stream: 'stdout', data: '😀\n', encoding: 'utf8' }
const result: AgentFrame = {
  type: 'result',
  id: 'a',
  cause: 'exited',
  phase: 'run',
  exitCode: 0,
  signal: null,
  wallTimeMs: 3,
  cpuTimeMs: 2,
  memoryBytes: 9_000_000,
  truncated: false,
}
const line = (frame: unknown) => `${JSON.stringify(frame)}\n`

describe('the frame decoder', () => {
  it('finds the same frames however the bytes are split', () => {
    const bytes = Buffer.from([ready, output, result].map(line).join(''))
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: bytes.length })), (cuts) => {
        const decoder = new FrameDecoder()
        const edges = [0, ...cuts.sort((a, b) => a - b), bytes.length]
        const frames = edges.slice(1).flatMap((end, index) => decoder.push(bytes.subarray(edges[index], end)))
        expect(frames).toEqual([ready, output, result])
      }),
    )
  })

  it('holds back what is not a whole line yet', () => {
    const decoder = new FrameDecoder()
    expect(decoder.push(Buffer.from(line(ready).slice(0, -1)))).toEqual([])
    expect(decoder.push(Buffer.from('\n'))).toEqual([ready])
  })

  it('gives up on a line without end before it has swallowed more than the limit', () => {
    const decoder = new FrameDecoder()
    const chunk = Buffer.alloc(64 * 1024, 'x')
    expect(() => {
      for (let sent = 0; sent <= MAX_AGENT_LINE_BYTES; sent += chunk.length) decoder.push(chunk)
    }).toThrow(FrameError)
  })

  it('never lets anything but a frame or a FrameError out, whatever comes in', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.object().map((value) => JSON.stringify(value)),
        ),
        (text) => {
          try {
            expect(parseAgentFrame(text)).toHaveProperty('type')
          } catch (error) {
            expect(error).toBeInstanceOf(FrameError)
          }
        },
      ),
    )
  })

  it.each([
    ['', 'an empty line'],
    ['null', 'null'],
    ['[]', 'an array'],
    ['{"type":"execute"}', 'a frame of the other direction'],
    [line({ ...result, cause: 'boredom' }), 'a cause that is none'],
    [line({ ...result, wallTimeMs: -1 }), 'a negative time'],
    [line({ ...ready, protocol: 2 }), 'another version'],
  ])('refuses %j: %s', (text) => {
    expect(() => parseAgentFrame(text)).toThrow(FrameError)
  })

  it('ignores fields that it does not know, so that a newer agent can add some', () => {
    expect(parseAgentFrame(line({ ...ready, color: 'blue' }))).toEqual(ready)
  })
})

describe('frames for the agent', () => {
  it('are one line each, whatever the program contains', () => {
    const text = encodeFrame({ type: 'cancel', id: 'line\nbreak\u2028' })
    expect(text.indexOf('\n')).toBe(text.length - 1)
  })
})

describe('the bytes of an output frame', () => {
  it('come back from both encodings', () => {
    expect(outputBytes({ type: 'output', id: 'a', stream: 'stdout', data: 'é', encoding: 'utf8' })).toEqual(
      Buffer.from([0xc3, 0xa9]),
    )
    expect(outputBytes({ type: 'output', id: 'a', stream: 'stdout', data: '//4=', encoding: 'base64' })).toEqual(
      Buffer.from([0xff, 0xfe]),
    )
  })
})

interface Vector {
  direction: 'agent' | 'runner'
  valid: boolean
  line: string
  frame?: unknown
}

describe('the shared test vectors', () => {
  const vectors = globSync('tests/fixtures/frames/*.json').map(
    (file) => [file, JSON.parse(readFileSync(file, 'utf8')) as Vector] as const,
  )

  it('exist', () => {
    expect(vectors.length).toBeGreaterThan(10)
  })

  it.each(vectors.filter(([, vector]) => vector.direction === 'agent'))('%s', (_file, vector) => {
    if (vector.valid) expect(parseAgentFrame(vector.line)).toMatchObject(vector.frame as object)
    else expect(() => parseAgentFrame(vector.line)).toThrow(FrameError)
  })
})
