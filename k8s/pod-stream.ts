/**
 * The frames of one agent over one attached stream. A stream is not a sandbox: each execution has a route of its own, and an agent with several slots has
 * several routes at once. What comes out of it is untrusted: a line that is no frame, a frame about an execution that does not run here, or more output than
 * its execution may have ends the stream.
 */

import { toError } from '../core/errors.ts'
import {
  type AgentFrame,
  encodeFrame,
  FrameDecoder,
  type OutputFrame,
  type ReadyFrame,
  type RunnerFrame,
} from '../core/frames.ts'
import type { AttachListeners, Attachment } from './attach.ts'

export type FrameListener = (frame: AgentFrame) => void

/** Why a stream ended. `ours`: we gave it up and know all there is to know; else the reason is to be looked for in the pod. */
export interface StreamEnd {
  reason: string
  ours: boolean
}

interface Route {
  listener: FrameListener
  /** Bytes of output that may still come. */
  outputLeft: number
}

/** An honest agent never sends more than outputBytes; one chunk more is forgiven. */
const FORGIVEN_BYTES = 32 * 1024
/** Bytes handled in one go before other streams get their turn: about 1 ms of decoding. */
const TURN_BYTES = 256 * 1024
const STDERR_KEPT_CHARACTERS = 1000
const VERSION_CHARACTERS = 100

export class PodStream {
  readonly #attachment: Attachment
  readonly #decoder = new FrameDecoder()
  readonly #routes = new Map<string, Route>()
  readonly #ready = Promise.withResolvers<ReadyFrame>()
  readonly #ended = Promise.withResolvers<StreamEnd>()
  /** 0 before it said ready. */
  #slots = 0
  #over = false
  #turnBytes = 0
  #stderr = ''

  private constructor(connected: Attachment) {
    this.#attachment = connected
    this.#ready.promise.catch(() => {})
  }

  /** Attaches, however `connect` does that. */
  static async open(connect: (listeners: AttachListeners) => Promise<Attachment>): Promise<PodStream> {
    let stream: PodStream | undefined
    // Nothing can come before hello is sent, but a container may end at once: that is told when the stream is there to hear it.
    let ended: string | undefined
    const attachment = await connect({
      stdout: (chunk) => {
        if (stream) stream.#receive(chunk)
      },
      stderr: (chunk) => {
        if (stream) stream.#keepStderr(chunk)
      },
      closed: (reason) => {
        ended = reason
        if (stream) stream.#end(reason, false)
      },
    })
    stream = new PodStream(attachment)
    if (ended !== undefined) stream.#end(ended, false)
    return stream
  }

  /** Resolves when nothing more will come. Never rejects. */
  get ended(): Promise<StreamEnd> {
    return this.#ended.promise
  }

  /** The end of what the agent wrote to stderr, for the operator. */
  get stderr(): string {
    return this.#stderr
  }

  /** Says hello and resolves with the agent's `ready`. Rejects when the stream ends before. */
  async hello(): Promise<ReadyFrame> {
    this.send({ type: 'hello', protocol: 1 })
    const ready = await this.#ready.promise
    return { ...ready, version: ready.version.slice(0, VERSION_CHARACTERS) }
  }

  /** The frames of an execution go to this listener until its result, or a fault. */
  route(id: string, outputBytes: number, listener: FrameListener): void {
    this.#routes.set(id, { listener, outputLeft: outputBytes + FORGIVEN_BYTES })
  }

  send(frame: RunnerFrame): void {
    if (!this.#over) this.#attachment.write(encodeFrame(frame))
  }

  /** Whether the way to the agent still carries anything, asked now: as far as the API server. */
  async isHeard(): Promise<boolean> {
    return !this.#over && (await this.#attachment.answers())
  }

  /** Closes the agent's stdin, which ends it. Safe to call again. */
  close(reason = 'closed by us'): void {
    this.#end(reason)
  }

  #end(reason: string, ours = true): void {
    if (this.#over) return
    this.#over = true
    this.#attachment.close()
    this.#ready.reject(new Error(reason))
    this.#ended.resolve({ reason, ours })
  }

  #receive(chunk: Buffer): void {
    if (this.#over) return
    try {
      for (const frame of this.#decoder.push(chunk)) {
        this.#dispatch(frame)
        if (this.#over) return
      }
      this.#takeTurns(chunk.length)
    } catch (error) {
      this.#end(`it broke the protocol: ${toError(error).message}`)
    }
  }

  #dispatch(frame: AgentFrame): void {
    if (frame.type === 'ready') {
      if (this.#slots > 0) this.#end('it said ready twice')
      this.#slots = frame.slots
      this.#ready.resolve(frame)
    } else if (frame.type === 'fault') {
      this.#fault(frame)
    } else {
      this.#deliver(frame)
    }
  }

  /** An agent that runs several executions ends for none of them alone: its other executions go on. */
  #fault(frame: AgentFrame & { type: 'fault' }): void {
    const route = frame.id === null ? undefined : this.#routes.get(frame.id)
    if (this.#slots > 1 && frame.id !== null && route) {
      this.#routes.delete(frame.id)
      route.listener(frame)
      return
    }
    for (const [id, route] of this.#routes) if (frame.id === null || frame.id === id) route.listener(frame)
    this.#end(`it reported a fault: ${frame.message.slice(0, STDERR_KEPT_CHARACTERS)}`)
  }

  #deliver(frame: Exclude<AgentFrame, { type: 'ready' | 'fault' }>): void {
    const route = this.#routes.get(frame.id)
    if (!route) {
      this.#end(`it sent ${frame.type} for an execution that does not run in it`)
    } else if (frame.type === 'output' && !mayCome(route, frame)) {
      this.#end('it sent more output than its execution may have')
    } else {
      if (frame.type === 'result') this.#routes.delete(frame.id)
      route.listener(frame)
    }
  }

  /** One sandbox that floods must not keep the others waiting: the stream rests until the event loop has been around once. */
  #takeTurns(bytes: number): void {
    this.#turnBytes += bytes
    if (this.#turnBytes < TURN_BYTES) return
    this.#turnBytes = 0
    this.#attachment.pause()
    setImmediate(() => this.#attachment.resume())
  }

  #keepStderr(chunk: Buffer): void {
    this.#stderr = (this.#stderr + chunk.toString('utf8')).slice(-STDERR_KEPT_CHARACTERS)
  }
}

/** An empty frame counts as too much: an honest agent sends none, and they would come without end. */
function mayCome(route: Route, { data, encoding }: OutputFrame): boolean {
  const bytes = Buffer.byteLength(data, encoding)
  route.outputLeft -= bytes
  return bytes > 0 && route.outputLeft >= 0
}
