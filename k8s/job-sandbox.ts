import type { RunnerFrame } from '../core/frames.ts'
import type { SandboxEnd } from '../core/ports.ts'
import { AgentSandbox } from './agent-sandbox.ts'
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

/** The sandbox of the `job` tier: one Job, one stream, one execution. */
export class JobSandbox extends AgentSandbox implements OnJob {
  readonly job: HeldJob
  readonly version: string
  readonly #parts: JobSandboxParts

  constructor(parts: JobSandboxParts) {
    super(parts.language)
    this.#parts = parts
    this.job = parts.job
    this.version = parts.version
    void parts.stream.ended.then(async ({ reason, ours }) => {
      if (!this.over) this.settle(ours ? { reason: 'lost', detail: reason } : await parts.examine(reason))
    })
  }

  get name(): string {
    return this.job.name
  }

  send(frame: RunnerFrame): void {
    if (frame.type === 'execute') {
      this.#parts.stream.route(frame.id, frame.limits.outputBytes, (received) => this.receive(received))
    }
    this.#parts.stream.send(frame)
  }

  isHeard(): Promise<boolean> {
    return this.#parts.stream.isHeard()
  }

  protected async free(): Promise<void> {
    this.#parts.stream.close()
    await this.#parts.release()
  }
}
