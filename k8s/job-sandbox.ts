import type { AgentFrame, RunnerFrame } from '../core/frames.ts'
import type { Sandbox, SandboxEnd } from '../core/ports.ts'
import type { HeldJob, OnJob } from './held-job.ts'
import type { PodStream } from './pod-stream.ts'

export interface JobSandboxParts {
  job: HeldJob
  language: string
  version: string
  stream: PodStream
  /** Called once when the stream broke: what the pod says of it. Must not throw. */
  examine(reason: string): Promise<SandboxEnd>
  /** Frees what is outside of this object. Called once; must not throw. */
  release(): Promise<void>
}

/** The sandbox of the `job` tier: one Job, one stream, one execution. The first thing that ends it is its end. */
export class JobSandbox implements Sandbox, OnJob {
  readonly job: HeldJob
  readonly language: string
  readonly version: string
  readonly ended: Promise<SandboxEnd>
  readonly #parts: JobSandboxParts
  readonly #end = Promise.withResolvers<SandboxEnd>()
  #over = false
  #listener: ((frame: AgentFrame) => void) | undefined
  #destroyed: Promise<void> | undefined

  constructor(parts: JobSandboxParts) {
    this.#parts = parts
    this.job = parts.job
    this.language = parts.language
    this.version = parts.version
    this.ended = this.#end.promise
    void parts.stream.ended.then(async ({ reason, ours }) => {
      if (!this.#over) this.#settle(ours ? { reason: 'lost', detail: reason } : await parts.examine(reason))
    })
  }

  get name(): string {
    return this.job.name
  }

  onFrame(listener: (frame: AgentFrame) => void): void {
    this.#listener = listener
  }

  send(frame: RunnerFrame): void {
    if (frame.type === 'execute') {
      this.#parts.stream.route(frame.id, frame.limits.outputBytes, (received) => this.#receive(received))
    }
    this.#parts.stream.send(frame)
  }

  destroy(): Promise<void> {
    this.#settle({ reason: 'finished' })
    this.#destroyed ??= this.#destroy()
    return this.#destroyed
  }

  #receive(frame: AgentFrame): void {
    if (this.#over) return
    this.#listener?.(frame)
    if (frame.type === 'result') this.#settle({ reason: 'finished' })
  }

  #settle(end: SandboxEnd): void {
    this.#over = true
    this.#end.resolve(end)
  }

  async #destroy(): Promise<void> {
    this.#parts.stream.close()
    await this.#parts.release()
  }
}
