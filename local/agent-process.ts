import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { toError } from '../core/errors.ts'
import { type AgentFrame, encodeFrame, FrameDecoder, type RunnerFrame } from '../core/frames.ts'

/** An agent says next to nothing on stderr; a guest can't reach it. */
const STDERR_BYTES = 4096

/** A process in uninterruptible sleep does not die at once. Nobody waits longer than this for it. */
const DEATH_MS = 5000

export interface AgentProcessOptions {
  bwrap: string
  arguments: readonly string[]
  passwd: string
  onFrame(frame: AgentFrame): void
  /** What came was no frame. Called once at most. */
  onGarbage(error: Error): void
}

/** A bwrap process with an agent in it, and the frames on the agent's stdin and stdout. */
export class AgentProcess {
  /** Settles when all that was in the sandbox is gone, with how it ended and what it said last, for the log; never rejects. */
  readonly ended: Promise<string>
  readonly #child: ChildProcess
  readonly #stdin: Writable
  #stderr = ''
  #info = ''
  #killed = false

  constructor(options: AgentProcessOptions) {
    // In a session of its own: a Ctrl-C in the terminal is for us, who drain; not for the sandboxes.
    const child = spawn(options.bwrap, options.arguments, {
      stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
      detached: true,
      env: {},
      cwd: '/',
    })
    type Streams = [stdin: Writable, stdout: Readable, stderr: Readable, passwd: Writable, info: Readable]
    const [stdin, stdout, stderr, passwd, info] = child.stdio as unknown as Streams
    // A write to a process that is gone: `ended` says so.
    for (const stream of [stdin, stdout, stderr, passwd, info]) stream.on('error', () => {})
    this.#child = child
    this.#stdin = stdin
    this.ended = this.#watch(child, stderr, info)
    decode(stdout, options)
    passwd.end(options.passwd)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  send(frame: RunnerFrame): void {
    if (this.#stdin.writable) this.#stdin.write(encodeFrame(frame))
  }

  /**
   * Kills the sandbox's PID 1, and with it the kernel kills everything in its PID namespace; bwrap ends when all of it is gone.
   * Resolves then. Killing bwrap instead would leave behind what it started, since it may not kill another uid.
   */
  async kill(): Promise<void> {
    if (!this.#killed) {
      this.#killed = true
      this.#stdin.destroy()
      this.#killFirst()
    }
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(() => {
      this.#child.kill('SIGKILL')
      resolve()
    }, DEATH_MS)
    await Promise.race([this.ended, late])
    clearTimeout(timer)
  }

  #killFirst(): void {
    const child = this.#child
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const first = /"child-pid": (\d+)/.exec(this.#info)?.[1]
    try {
      // Without an answer of bwrap it is still setting up, as one process that dies together.
      process.kill(first === undefined ? child.pid : Number(first), 'SIGKILL')
    } catch {
      // It ended by itself a moment ago.
    }
  }

  #watch(child: ChildProcess, stderr: Readable, info: Readable): Promise<string> {
    stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_BYTES)
    })
    info.setEncoding('utf8').on('data', (text: string) => {
      this.#info += text
      if (this.#killed) this.#killFirst()
    })
    return new Promise((resolve) => {
      child.on('error', (error) => resolve(error.message))
      child.on('close', (code, signal) => {
        const how = signal ?? `exit code ${code}`
        resolve(this.#stderr === '' ? how : `${how}: ${this.#stderr.trim()}`)
      })
    })
  }
}

function decode(stdout: Readable, { onFrame, onGarbage }: AgentProcessOptions): void {
  const decoder = new FrameDecoder()
  const take = (chunk: Buffer) => {
    try {
      for (const frame of decoder.push(chunk)) onFrame(frame)
    } catch (thrown) {
      stdout.off('data', take).resume()
      onGarbage(toError(thrown))
    }
  }
  stdout.on('data', take)
}
