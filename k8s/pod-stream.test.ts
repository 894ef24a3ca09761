import { describe, expect, it } from 'vitest'
import type { AgentFrame } from '../core/frames.ts'
import type { AttachListeners, Attachment } from './attach.ts'
import { PodStream } from './pod-stream.ts'

/** The other end of a stream: what was written to it, and a way to say something. */
class FakeAttachment implements Attachment {
  listeners: AttachListeners | undefined
  written: unknown[] = []
  reading = true
  pauses = 0
  closed = false
  write = (text: string) => this.written.push(JSON.parse(text))
  pause = () => {
    this.pauses += 1
    this.reading = false
  }
  resume = () => {
    this.reading = true
  }
  answers = async () => !this.closed
  close = () => {
    this.closed = true
  }
  say = (...frames: object[]) =>
    this.listeners?.stdout(Buffer.from(frames.map((frame) => `${JSON.stringify(frame)}\n`).join('')))
}

async function open() {
  const far = new FakeAttachment()
  const stream = await PodStream.open(async (listeners) => {
    far.listeners = listeners
    return far
  })
  return { far, stream }
}

const ready = { type: 'ready', protocol: 1, language: 'python', version: '3.13.5', slots: 1 }
const output = (id: string, data: string) => ({ type: 'output', id, stream: 'stdout', data, encoding: 'utf8' })
const result = (id: string) => ({
  type: 'result',
  id,
  cause: 'exited',
  phase: 'run',
  exitCode: 0,
  signal: null,
  wallTimeMs: 1,
  cpuTimeMs: 1,
  memoryBytes: 1,
  truncated: false,
})
const types = (frames: AgentFrame[]) => frames.map(({ type }) => type)

describe('the handshake', () => {
  it('says hello and hears ready', async () => {
    const { far, stream } = await open()
    const hello = stream.hello()
    expect(far.written).toEqual([{ type: 'hello', protocol: 1 }])
    far.say(ready)
    expect(await hello).toEqual(ready)
  })

  it('cuts a version that is too long for an annotation', async () => {
    const { far, stream } = await open()
    const hello = stream.hello()
    far.say({ ...ready, version: 'x'.repeat(5000) })
    expect((await hello).version).toHaveLength(100)
  })

  it('fails when the stream ends before, and keeps what was said on stderr', async () => {
    const { far, stream } = await open()
    const hello = stream.hello()
    far.listeners?.stderr(Buffer.from('no such file'))
    far.listeners?.closed('gone')
    await expect(hello).rejects.toThrow('gone')
    expect(stream.stderr).toBe('no such file')
    expect(await stream.ended).toEqual({ reason: 'gone', ours: false })
  })

  it('knows of an end that came while it was opened', async () => {
    const far = new FakeAttachment()
    const stream = await PodStream.open(async (listeners) => {
      listeners.closed('at once')
      return far
    })
    expect(await stream.ended).toEqual({ reason: 'at once', ours: false })
  })
})

describe('routing', () => {
  it('gives each execution its own frames', async () => {
    const { far, stream } = await open()
    const heard: Record<string, AgentFrame[]> = { a: [], b: [] }
    for (const id of ['a', 'b']) stream.route(id, 100, (frame) => heard[id]?.push(frame))
    far.say(output('a', '1'), output('b', '2'), result('b'), output('a', '3'), result('a'))
    expect(types(heard.a ?? [])).toEqual(['output', 'output', 'result'])
    expect(types(heard.b ?? [])).toEqual(['output', 'result'])
    expect(far.closed).toBe(false)
  })

  it('joins a frame that comes in pieces', async () => {
    const { far, stream } = await open()
    const heard: AgentFrame[] = []
    stream.route('a', 100, (frame) => heard.push(frame))
    const bytes = Buffer.from(`${JSON.stringify(output('a', 'é€😀'))}\n`)
    for (const byte of bytes) far.listeners?.stdout(Buffer.from([byte]))
    expect(heard).toEqual([output('a', 'é€😀')])
  })

  it('sends a fault to whom it concerns, and ends', async () => {
    const { far, stream } = await open()
    const heard: AgentFrame[] = []
    stream.route('a', 100, (frame) => heard.push(frame))
    stream.route('b', 100, () => expect.fail('it does not concern b'))
    far.say({ type: 'fault', id: 'a', message: 'broken' })
    expect(types(heard)).toEqual(['fault'])
    expect(await stream.ended).toEqual({ reason: 'it reported a fault: broken', ours: true })
  })
})

describe('what ends a stream', () => {
  it.each<[string, (far: FakeAttachment) => void, RegExp]>([
    ['a line that is no frame', (far) => far.listeners?.stdout(Buffer.from('hello\n')), /protocol/],
    ['an endless line', (far) => far.listeners?.stdout(Buffer.alloc(300_000, 120)), /longer than/],
    ['a frame about nobody', (far) => far.say(output('x', '1')), /does not run in it/],
    ['a second result', (far) => far.say(result('a'), result('a')), /does not run in it/],
    ['ready twice', (far) => far.say(ready, ready), /twice/],
    [
      'more output than allowed',
      (far) => far.say(output('a', 'x'.repeat(32_768)), output('a', 'x'.repeat(101))),
      /more output/,
    ],
    ['empty output', (far) => far.say(output('a', '')), /more output/],
  ])('%s', async (_, act, reason) => {
    const { far, stream } = await open()
    stream.route('a', 100, () => {})
    act(far)
    const end = await stream.ended
    expect(end.reason).toMatch(reason)
    expect(end.ours).toBe(true)
    expect(far.closed).toBe(true)
  })

  it('is not much output in small pieces', async () => {
    const { far, stream } = await open()
    let bytes = 0
    stream.route('a', 20_000, (frame) => {
      if (frame.type === 'output') bytes += frame.data.length
    })
    for (let count = 0; count < 20_000; count++) far.say(output('a', 'x'))
    expect(bytes).toBe(20_000)
    expect(far.closed).toBe(false)
  })

  it('counts base64 by what it stands for', async () => {
    const { far, stream } = await open()
    stream.route('a', 0, () => {})
    const data = Buffer.alloc(32_768, 255).toString('base64')
    far.say({ ...output('a', data), encoding: 'base64' })
    expect(far.closed).toBe(false)
    far.say({ ...output('a', 'AAAA'), encoding: 'base64' })
    expect(far.closed).toBe(true)
  })

  it('is heard once: nothing comes after it', async () => {
    const { far, stream } = await open()
    stream.route('a', 100, () => expect.fail('the stream has ended'))
    stream.close()
    far.say(output('a', '1'))
    far.listeners?.closed('later')
    stream.send({ type: 'cancel', id: 'a' })
    expect(far.written).toEqual([])
    expect(await stream.ended).toEqual({ reason: 'closed by us', ours: true })
  })
})

describe('a flood', () => {
  it('lets others have their turn: reading rests until the event loop has been around', async () => {
    const { far, stream } = await open()
    stream.route('a', 10_000_000, () => {})
    for (let count = 0; count < 8; count++) far.say(output('a', 'x'.repeat(32_768)))
    expect(far.reading).toBe(false)
    await new Promise((resolve) => setImmediate(resolve))
    expect(far.reading).toBe(true)
    expect(far.pauses).toBe(1)
  })
})
