import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { type Attachment, attach } from './attach.ts'
import type { KubeHttp, SocketOptions } from './http.ts'

/** The API server's side of attach on a port of its own. */
class FarEnd implements AsyncDisposable {
  readonly sockets: WebSocket[] = []
  readonly urls: string[] = []
  readonly received: Buffer[] = []
  readonly #server = http.createServer()
  /** What a handshake is refused with. */
  refusal: { status: number; body: string } | undefined

  static async start(options: { autoPong?: boolean; greeting?: Buffer } = {}): Promise<FarEnd> {
    const far = new FarEnd()
    const upgrades = new WebSocketServer({ noServer: true, autoPong: options.autoPong ?? true })
    far.#server.on('upgrade', (request, socket, head) => {
      far.urls.push(request.url ?? '')
      if (far.refusal) {
        const { status, body } = far.refusal
        return socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
      }
      upgrades.handleUpgrade(request, socket, head, (webSocket) => {
        far.sockets.push(webSocket)
        webSocket.on('message', (data: Buffer) => far.received.push(data))
        if (options.greeting) webSocket.send(options.greeting)
      })
    })
    far.#server.listen(0, '127.0.0.1')
    await once(far.#server, 'listening')
    return far
  }

  get http(): Pick<KubeHttp, 'socketOptions'> {
    const { port } = this.#server.address() as AddressInfo
    const socketOptions = async (path: string): Promise<SocketOptions> => ({
      url: `ws://127.0.0.1:${port}${path}`,
      options: { headers: { authorization: 'Bearer token' } },
    })
    return { socketOptions }
  }

  say(channel: number, text: string): void {
    this.sockets.at(-1)?.send(Buffer.concat([Buffer.from([channel]), Buffer.from(text)]))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.terminate()
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

const target = { namespace: 'boxes', pod: 'python-1', container: 'sandbox' }

function listen() {
  const heard: string[] = []
  return {
    heard,
    stdout: (chunk: Buffer) => heard.push(`out ${chunk}`),
    stderr: (chunk: Buffer) => heard.push(`err ${chunk}`),
    closed: (reason: string) => heard.push(`closed ${reason}`),
  }
}

async function connect(far: FarEnd, pingEveryMs?: number) {
  const listeners = listen()
  const attachment = await attach(far.http, target, listeners, new AbortController().signal, pingEveryMs)
  const close = (open: Attachment) => () => open.close()
  return { attachment, heard: listeners.heard, [Symbol.dispose]: close(attachment) }
}

describe('attach', () => {
  it('asks for the three streams of the container, without a terminal', async () => {
    await using far = await FarEnd.start()
    using _ = await connect(far)
    const url = new URL(far.urls[0] ?? '', 'http://fake')
    expect(url.pathname).toBe('/api/v1/namespaces/boxes/pods/python-1/attach')
    expect(Object.fromEntries(url.searchParams)).toEqual({
      container: 'sandbox',
      stdin: 'true',
      stdout: 'true',
      stderr: 'true',
      tty: 'false',
    })
    expect(far.sockets[0]?.protocol).toBe('v5.channel.k8s.io')
  })

  it('writes to stdin and tells stdout from stderr', async () => {
    await using far = await FarEnd.start()
    using end = await connect(far)
    end.attachment.write('héllo\n')
    far.say(1, 'out')
    far.say(2, 'oops')
    await vi.waitFor(() => expect(end.heard).toEqual(['out out', 'err oops']))
    expect(far.received).toEqual([Buffer.from('\0héllo\n')])
  })

  it('hears what comes with the answer to the handshake', async () => {
    await using far = await FarEnd.start({ greeting: Buffer.from('\x01early') })
    using end = await connect(far)
    await vi.waitFor(() => expect(end.heard).toEqual(['out early']))
  })

  it('says why the streams ended', async () => {
    await using far = await FarEnd.start()
    using end = await connect(far)
    far.say(3, '{"status":"Success"}')
    far.sockets[0]?.close(1000)
    await vi.waitFor(() => expect(end.heard).toEqual(['closed the streams ended: {"status":"Success"}']))
  })

  it('notices a connection that broke', async () => {
    await using far = await FarEnd.start()
    using end = await connect(far)
    far.sockets[0]?.terminate()
    await vi.waitFor(() => expect(end.heard).toEqual([expect.stringContaining('1006')]))
  })

  it('closes once, and writes nothing after that', async () => {
    await using far = await FarEnd.start()
    const { attachment, heard } = await connect(far)
    attachment.close()
    attachment.close()
    attachment.write('late')
    await vi.waitFor(() => expect(heard).toEqual(['closed closed by us']))
    await vi.waitFor(() => expect(far.sockets[0]?.readyState).toBe(3))
    expect(far.received).toEqual([])
  })

  it('stops reading while it is paused', async () => {
    await using far = await FarEnd.start()
    using end = await connect(far)
    end.attachment.pause()
    far.say(1, 'later')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(end.heard).toEqual([])
    end.attachment.resume()
    await vi.waitFor(() => expect(end.heard).toEqual(['out later']))
  })
})

describe('a refused handshake', () => {
  it('tells the status and the words of the API', async () => {
    await using far = await FarEnd.start()
    far.refusal = { status: 500, body: 'container sandbox not found in pod python-1' }
    const attempt = attach(far.http, target, listen(), new AbortController().signal)
    await expect(attempt).rejects.toMatchObject({ name: 'KubeError', status: 500, message: far.refusal.body })
  })

  it('reads a Status object', async () => {
    await using far = await FarEnd.start()
    const message = 'pods "python-1" is forbidden'
    far.refusal = { status: 403, body: JSON.stringify({ kind: 'Status', reason: 'Forbidden', message }) }
    const attempt = attach(far.http, target, listen(), new AbortController().signal)
    await expect(attempt).rejects.toMatchObject({ status: 403, reason: 'Forbidden', message })
  })

  it('is a KubeError too when nobody listens', async () => {
    const far = await FarEnd.start()
    const { http } = far
    const { url } = await http.socketOptions('')
    await far[Symbol.asyncDispose]()
    const gone = { socketOptions: async () => ({ url, options: {} }) }
    await expect(attach(gone, target, listen(), new AbortController().signal)).rejects.toMatchObject({ status: 0 })
  })

  it('ends with the signal', async () => {
    await using far = await FarEnd.start()
    const stop = new AbortController()
    stop.abort(new Error('enough'))
    await expect(attach(far.http, target, listen(), stop.signal)).rejects.toThrow('enough')
    expect(far.urls).toEqual([])
  })
})

describe('pings', () => {
  it('keep a quiet stream whose other end answers', async () => {
    await using far = await FarEnd.start()
    let pings = 0
    // An answer has to come before the next ping: a busy machine needs some tens of milliseconds for it.
    using end = await connect(far, 200)
    far.sockets[0]?.on('ping', () => {
      pings += 1
    })
    await vi.waitFor(() => expect(pings).toBeGreaterThan(3), { timeout: 8000 })
    expect(end.heard).toEqual([])
  })

  it('end one whose other end does not', async () => {
    await using far = await FarEnd.start({ autoPong: false })
    using end = await connect(far, 20)
    await vi.waitFor(() => expect(end.heard).toEqual(['closed no answer to a ping']))
  })

  it('tell at any time whether the other end answers', async () => {
    await using far = await FarEnd.start()
    using end = await connect(far)
    expect(await end.attachment.answers()).toBe(true)
    end.attachment.close()
    expect(await end.attachment.answers()).toBe(false)
  })

  it('tell of an end that is silent', async () => {
    await using far = await FarEnd.start({ autoPong: false })
    using end = await connect(far, 100)
    expect(await end.attachment.answers()).toBe(false)
    end.attachment.pause()
    expect(await end.attachment.answers()).toBe(true)
  })

  it('do not judge a stream that we paused ourselves', async () => {
    await using far = await FarEnd.start({ autoPong: false })
    using end = await connect(far, 20)
    end.attachment.pause()
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(end.heard).toEqual([])
  })
})
