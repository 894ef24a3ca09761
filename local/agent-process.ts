import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { toError } from '../core/errors.ts'
import { type AgentFrame, encodeFrame, FrameDecoder, type RunnerFrame } from '../core/frames.ts'
import { PASSWD_FD } from './bubblewrap-command.ts'

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

/** How the process ended: `exit code 1`, `SIGKILL`, and what it said last. For the log. */
export interface ProcessEnd {
  code: number | null
  detail: string
}

/** A bwrap process with an agent in it, and the frames on its stdin and stdout. */
export class AgentProcess {
  readonly pid: number | undefined
  /** Settles when the process has gone and its streams are closed; never rejects. */
  readonly ended: Promise<ProcessEnd>
  readonly #child: ChildProcess
  readonly #stdin: Writable
  #stderr = ''
  #gone = false

  constructor(options: AgentProcessOptions) {
    // In a session of its own: a Ctrl-C in the terminal is for us, who drain; not for the sandboxes.
    const child = spawn(options.bwrap, options.arguments, {
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      detached: true,
      env: {},
      cwd: '/',
    })
    this.#child = child
    this.pid = child.pid
    const [stdin, stdout, stderr, passwd] = child.stdio as unknown as [Writable, Readable, Readable, Writable]
    this.#stdin = stdin
    // A write to a process that is gone: its end is reported by `ended`.
    for (const stream of [stdin, stdout, stderr, passwd]) stream.on('error', () => {})
    this.ended = this.#watch(child, stderr)
    this.#decode(stdout, options)
    ;(child.stdio[PASSWD_FD] as Writable).end(options.passwd)
  }

  send(frame: RunnerFrame): void {
    if (this.#stdin.writable) this.#stdin.write(encodeFrame(frame))
  }

  /** Kills bwrap; the kernel kills the agent with it, and everything in the agent's PID namespace with the agent. Resolves when all is gone. */
  async kill(): Promise<void> {
    if (this.#gone || this.pid === undefined) return
    this.#child.kill('SIGKILL')
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, DEATH_MS)
    await Promise.race([this.ended, late])
    clearTimeout(timer)
  }

  #decode(stdout: Readable, { onFrame, onGarbage }: AgentProcessOptions): void {
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

  #watch(child: ChildProcess, stderr: Readable): Promise<ProcessEnd> {
    stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_BYTES)
    })
    return new Promise((resolve) => {
      child.on('error', (error) => {
        this.#gone = true
        resolve({ code: null, detail: error.message })
      })
      child.on('close', (code, signal) => {
        this.#gone = true
        const how = signal ?? `exit code ${code}`
        resolve({ code, detail: this.#stderr === '' ? how : `${how}: ${this.#stderr.trim()}` })
      })
    })
  }
}
