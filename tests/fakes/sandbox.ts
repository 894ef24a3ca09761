import type { AgentFrame, ResultFrame, RunnerFrame } from '../../core/frames.ts'
import type { Sandbox, SandboxEnd } from '../../core/ports.ts'

/** A sandbox whose agent is the test: it looks at what was `sent` and says what comes back. */
export class FakeSandbox implements Sandbox {
  readonly version = '3.13.5'
  readonly sent: RunnerFrame[] = []
  readonly #ended = Promise.withResolvers<SandboxEnd>()
  readonly ended = this.#ended.promise
  destroyed = 0
  /** Set where its stream can be asked. */
  isHeard?: () => Promise<boolean>
  /** What `destroy` waits for. */
  destroying: Promise<void> = Promise.resolve()
  /** Plays the agent: called with every frame that is sent. */
  agent: (frame: RunnerFrame, sandbox: FakeSandbox) => void = () => {}
  readonly name: string
  readonly language: string
  #listener: (frame: AgentFrame) => void = () => {}

  constructor(name = 'sandbox-1', language = 'python') {
    this.name = name
    this.language = language
  }

  onFrame(listener: (frame: AgentFrame) => void): void {
    this.#listener = listener
  }

  send(frame: RunnerFrame): void {
    this.sent.push(frame)
    this.agent(frame, this)
  }

  say(frame: AgentFrame): void {
    this.#listener(frame)
  }

  end(end: SandboxEnd): void {
    this.#ended.resolve(end)
  }

  async destroy(): Promise<void> {
    this.destroyed++
    this.end({ reason: 'finished' })
    await this.destroying
  }
}

/** The result of a guest that exited with 0 after 12 ms. */
export function resultFrame(id: string, over: Partial<ResultFrame> = {}): ResultFrame {
  return {
    type: 'result',
    id,
    cause: 'exited',
    phase: 'run',
    exitCode: 0,
    signal: null,
    wallTimeMs: 12,
    cpuTimeMs: 10,
    memoryBytes: 9_000_000,
    truncated: false,
    ...over,
  }
}
