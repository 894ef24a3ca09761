import type { AgentFrame, RunnerFrame } from '../core/frames.ts'
import type { Sandbox, SandboxEnd } from '../core/ports.ts'

/** What the sandboxes of both tiers are: for one execution, and over with its result, with a loss, or when they are destroyed, whatever is first. */
export abstract class AgentSandbox implements Sandbox {
  readonly language: string
  readonly ended: Promise<SandboxEnd>
  readonly #end = Promise.withResolvers<SandboxEnd>()
  #over = false
  #listener: ((frame: AgentFrame) => void) | undefined
  #destroyed: Promise<void> | undefined

  constructor(language: string) {
    this.language = language
    this.ended = this.#end.promise
  }

  abstract get name(): string
  abstract get version(): string
  abstract send(frame: RunnerFrame): void
  /** Frees all that it holds. Called once; must not throw. */
  protected abstract free(): Promise<void>

  onFrame(listener: (frame: AgentFrame) => void): void {
    this.#listener = listener
  }

  destroy(): Promise<void> {
    this.settle({ reason: 'finished' })
    this.#destroyed ??= this.free()
    return this.#destroyed
  }

  protected get over(): boolean {
    return this.#over
  }

  protected receive(frame: AgentFrame): void {
    if (this.#over) return
    this.#listener?.(frame)
    if (frame.type === 'result') this.settle({ reason: 'finished' })
  }

  protected settle(end: SandboxEnd): void {
    this.#over = true
    this.#end.resolve(end)
  }
}
