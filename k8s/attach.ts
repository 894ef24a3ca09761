/**
 * Attaches to the standard streams of a pod's container through the API server: a WebSocket with the subprotocol v5.channel.k8s.io, where the first byte of each
 * message says which stream it belongs to. Our own on `ws`, because the Attach of @kubernetes/client-node has no ping, no backpressure, and hides why a
 * handshake was refused.
 */
import type { IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'
import { toError } from '../core/errors.ts'
import type { KubeHttp } from './http.ts'
import { KubeError } from './kube-error.ts'

export interface AttachTarget {
  namespace: string
  pod: string
  container: string
}

export interface AttachListeners {
  stdout(chunk: Buffer): void
  stderr(chunk: Buffer): void
  /** Once, with what is known of the reason: the container's streams ended, the connection broke, or we closed it. */
  closed(reason: string): void
}

/** What the rest of the code needs of an attached container; tests bring their own. */
export interface Attachment {
  write(text: string): void
  /** Stops reading, so that the other end has to wait. */
  pause(): void
  resume(): void
  /** Whether the other end still answers, asked now. A paused one hears nothing by our own will, and counts as answering. */
  answers(): Promise<boolean>
  /** Safe to call again. */
  close(): void
}

const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, status: 3 } as const
const PING_EVERY_MS = 20_000
/** An answer takes a millisecond; an API server that is that far behind is of no use to anybody who waits for a result. */
const ANSWER_TIMEOUT_MS = 3_000
const HANDSHAKE_TIMEOUT_MS = 10_000
/** The kubelet copies in pieces of 32 KiB. */
const MAX_MESSAGE_BYTES = 1024 * 1024
/** What may wait in memory to be sent: the longest line to an agent is 32 MiB. */
const MAX_UNSENT_BYTES = 64 * 1024 * 1024

/**
 * Opens the streams. Nothing that was written before is replayed.
 * @throws KubeError with the HTTP status: 400 and 404 and 500 also mean that the container does not run yet.
 */
export async function attach(
  http: Pick<KubeHttp, 'socketOptions'>,
  target: AttachTarget,
  listeners: AttachListeners,
  signal: AbortSignal,
  pingEveryMs = PING_EVERY_MS,
): Promise<Attachment> {
  const query = new URLSearchParams({
    container: target.container,
    stdin: 'true',
    stdout: 'true',
    stderr: 'true',
    tty: 'false',
  })
  const path = `/api/v1/namespaces/${target.namespace}/pods/${target.pod}/attach`
  const { url, options } = await http.socketOptions(`${path}?${query}`)
  signal.throwIfAborted()
  const socket = new WebSocket(url, ['v5.channel.k8s.io'], {
    ...(options as object),
    perMessageDeflate: false,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    maxPayload: MAX_MESSAGE_BYTES,
  })
  const early = collectEarly(socket)
  await opened(socket, path, signal)
  return new SocketAttachment(socket, listeners, early(), pingEveryMs)
}

/** Messages that come in the same read as the handshake's answer, before anybody listens. */
function collectEarly(socket: WebSocket): () => Buffer[] {
  const messages: Buffer[] = []
  const keep = (data: Buffer) => messages.push(data)
  socket.on('message', keep)
  return () => {
    socket.off('message', keep)
    return messages
  }
}

function opened(socket: WebSocket, path: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const giveUp = () => socket.terminate()
    signal.addEventListener('abort', giveUp, { once: true })
    const settle = (error?: Error) => {
      signal.removeEventListener('abort', giveUp)
      if (error) reject(error)
      else resolve()
    }
    socket.once('open', () => settle())
    // Stays for the socket's life: an error event that nobody hears would end the process.
    socket.on('error', (error) => settle(KubeError.unreachable(path, signal.aborted ? toError(signal.reason) : error)))
    socket.once('unexpected-response', (_request: unknown, response: IncomingMessage) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('close', () => {
        settle(KubeError.fromAnswer(response, Buffer.concat(chunks).toString('utf8')))
        socket.terminate()
      })
    })
  })
}

class SocketAttachment implements Attachment {
  readonly #socket: WebSocket
  readonly #listeners: AttachListeners
  readonly #pings: NodeJS.Timeout
  readonly #answerMs: number
  #heard = true
  #reason: string | undefined

  constructor(socket: WebSocket, listeners: AttachListeners, early: Buffer[], pingEveryMs: number) {
    this.#socket = socket
    this.#listeners = listeners
    this.#answerMs = Math.min(ANSWER_TIMEOUT_MS, pingEveryMs)
    this.#pings = setInterval(() => this.#ping(), pingEveryMs)
    for (const data of early) this.#receive(data)
    socket.on('message', (data: Buffer) => this.#receive(data))
    socket.on('pong', () => {
      this.#heard = true
    })
    socket.on('error', (error) => {
      this.#reason ??= error.message
    })
    socket.once('close', (code, text) => {
      clearInterval(this.#pings)
      listeners.closed(this.#reason ?? `the connection was closed (${code} ${text.toString()})`.replace(' )', ')'))
    })
  }

  write(text: string): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return
    const message = Buffer.allocUnsafe(1 + Buffer.byteLength(text))
    message[0] = CHANNEL.stdin
    message.write(text, 1)
    this.#socket.send(message)
    if (this.#socket.bufferedAmount > MAX_UNSENT_BYTES) this.#give('the sandbox does not read its input')
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  async answers(): Promise<boolean> {
    const socket = this.#socket
    if (socket.isPaused) return true
    if (socket.readyState !== WebSocket.OPEN) return false
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const heard = () => resolve(true)
    const silent = () => resolve(false)
    const timer = setTimeout(silent, this.#answerMs)
    socket.once('pong', heard).once('message', heard).once('close', silent)
    socket.ping()
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      socket.off('pong', heard).off('message', heard).off('close', silent)
    }
  }

  close(): void {
    this.#give('closed by us')
  }

  #receive(data: Buffer): void {
    this.#heard = true
    if (data[0] === CHANNEL.stdout) this.#listeners.stdout(data.subarray(1))
    else if (data[0] === CHANNEL.stderr) this.#listeners.stderr(data.subarray(1))
    else if (data[0] === CHANNEL.status)
      this.#reason ??= `the streams ended: ${data.subarray(1).toString('utf8').slice(0, 500)}`
  }

  /** An API server that is gone without a word (a node that lost power, a balancer that forgot us) answers no ping. A paused stream hears nothing by our own will. */
  #ping(): void {
    if (this.#socket.isPaused) return
    if (!this.#heard) this.#give('no answer to a ping')
    else this.#socket.ping()
    this.#heard = false
  }

  /** Without a closing handshake: closing the connection is what ends the container's stdin, and nobody waits for an answer. */
  #give(reason: string): void {
    this.#reason ??= reason
    clearInterval(this.#pings)
    this.#socket.terminate()
  }
}
