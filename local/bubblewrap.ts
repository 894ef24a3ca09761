import { randomInt } from 'node:crypto'
import { AppError, toError } from '../core/errors.ts'
import { type AgentFrame, PROTOCOL_VERSION, type ReadyFrame, type RunnerFrame } from '../core/frames.ts'
import type { Log } from '../core/log.ts'
import type { Sandbox, SandboxEnd, SandboxProvider } from '../core/ports.ts'
import { AgentProcess } from './agent-process.ts'
import { agentCommand, bubblewrapArguments, type Host, type Identity, passwd } from './bubblewrap-command.ts'

export interface BubblewrapOptions {
  host: Host
  /** Called for each sandbox: the next uid when we are root. */
  identity(): Identity
  /** Folder in `images` of each language. */
  folders: ReadonlyMap<string, string>
  log: Log
  /** From spawning the process to its `ready`. */
  startTimeoutMs: number
}

/** SandboxProvider of the embedded mode: each sandbox is a bubblewrap process with the same agent as in a pod. */
export class BubblewrapProvider implements SandboxProvider, AsyncDisposable {
  readonly #options: BubblewrapOptions
  readonly #live = new Set<BubblewrapSandbox>()
  /** Tells the sandboxes of this process from those of another one in a log. */
  readonly #prefix = randomInt(36 ** 4)
    .toString(36)
    .padStart(4, '0')
  #count = 0

  constructor(options: BubblewrapOptions) {
    this.#options = options
  }

  async start(language: string, signal: AbortSignal): Promise<Sandbox> {
    const folder = this.#options.folders.get(language)
    if (folder === undefined) throw new AppError('sandbox_unavailable', `There is no sandbox for ${language} here`)
    const name = `runlet-${language}-${this.#prefix}-${(this.#count++).toString(36)}`
    const sandbox = new BubblewrapSandbox(name, language, folder, this.#options)
    this.#live.add(sandbox)
    void sandbox.ended.then(() => this.#live.delete(sandbox))
    try {
      await sandbox.ready(AbortSignal.any([signal, AbortSignal.timeout(this.#options.startTimeoutMs)]))
      return sandbox
    } catch (cause) {
      await sandbox.destroy()
      throw new AppError('sandbox_unavailable', `A sandbox for ${language} could not be started`, { cause })
    }
  }

  /** Ends every sandbox. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#live].map((sandbox) => sandbox.destroy()))
  }
}

/**
 * Life: `starting` until the agent says ready, `idle` until something is sent to it, `busy` from then on. An agent that speaks while it is idle
 * breaks the protocol; whatever ends the process is the end of the sandbox, and the first reason stays.
 */
class BubblewrapSandbox implements Sandbox {
  readonly name: string
  readonly language: string
  readonly ended: Promise<SandboxEnd>
  readonly #process: AgentProcess
  readonly #log: Log
  readonly #ready = Promise.withResolvers<ReadyFrame>()
  readonly #end = Promise.withResolvers<SandboxEnd>()
  #state: 'starting' | 'idle' | 'busy' | 'finished' = 'starting'
  #version = ''
  #listener: (frame: AgentFrame) => void = () => {}

  constructor(name: string, language: string, folder: string, { host, identity, log }: BubblewrapOptions) {
    this.name = name
    this.language = language
    this.ended = this.#end.promise
    const who = identity()
    this.#process = new AgentProcess({
      bwrap: host.bwrap,
      arguments: bubblewrapArguments(host, who, folder, agentCommand(host, folder)),
      passwd: passwd(who),
      onFrame: (frame) => this.#take(frame),
      onGarbage: (error) => this.#lose(`It broke the protocol: ${error.message}`),
    })
    this.#log = log.child({ sandbox: name, pid: this.#process.pid })
    this.#ready.promise.catch(() => {})
    void this.#process.ended.then((detail) => {
      this.#end.resolve(this.#state === 'finished' ? { reason: 'finished' } : { reason: 'lost', detail })
      this.#ready.reject(new Error(detail))
    })
    this.#process.send({ type: 'hello', protocol: PROTOCOL_VERSION })
  }

  get version(): string {
    return this.#version
  }

  /** Resolves when the agent is ready for its execution. */
  async ready(signal: AbortSignal): Promise<void> {
    const onAbort = () => this.#ready.reject(toError(signal.reason))
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    try {
      this.#version = (await this.#ready.promise).version
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  onFrame(listener: (frame: AgentFrame) => void): void {
    this.#listener = listener
  }

  send(frame: RunnerFrame): void {
    if (this.#state === 'idle') this.#state = 'busy'
    this.#process.send(frame)
  }

  async destroy(): Promise<void> {
    this.#end.resolve({ reason: 'finished' })
    await this.#process.kill()
  }

  #take(frame: AgentFrame): void {
    if (frame.type === 'fault') this.#lose(`It reported a fault: ${frame.message}`)
    else if (frame.type === 'ready') {
      if (this.#state !== 'starting') return
      this.#state = 'idle'
      this.#ready.resolve(frame)
    } else if (this.#state === 'starting' || this.#state === 'idle')
      this.#lose(`It sent ${frame.type} before its execution`)
    else {
      if (frame.type === 'result') this.#state = 'finished'
      this.#listener(frame)
    }
  }

  #lose(detail: string): void {
    this.#log.warn({ detail }, 'A sandbox is given up')
    this.#end.resolve({ reason: 'lost', detail })
    this.#ready.reject(new Error(detail))
    void this.#process.kill()
  }
}
