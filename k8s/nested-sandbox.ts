import type { RunnerFrame } from '../core/frames.ts'
import { AgentSandbox } from './agent-sandbox.ts'
import type { HeldJob, OnJob } from './held-job.ts'
import type { ExecuteFrame, NestedHost } from './nested-host.ts'

/** Where slots come from, as one slot sees it. */
export interface Slots {
  readonly version: string
  /**
   * The Job that is to run this execution. Only now is it chosen: so a slot that waits for its execution holds no Job back from being renewed.
   * undefined when none has room, as when it has just been lost.
   */
  board(slot: NestedSandbox, id: string): NestedHost | undefined
  /** The slot is free, or will never be used. */
  free(slot: NestedSandbox): void
}

/** The sandbox of the `nested` tier: room for one execution in one of the Jobs of its language, and then that execution's own sandbox in there. */
export class NestedSandbox extends AgentSandbox implements OnJob {
  readonly #slots: Slots
  readonly #number: number
  #boarded: { host: NestedHost; id: string } | undefined

  constructor(language: string, number: number, slots: Slots) {
    super(language)
    this.#number = number
    this.#slots = slots
  }

  /** Begins with the Job's name as soon as there is a Job. */
  get name(): string {
    return `${this.#boarded?.host.job.name ?? this.language}/${this.#number}`
  }

  get version(): string {
    return this.#boarded?.host.version ?? this.#slots.version
  }

  get job(): HeldJob | undefined {
    return this.#boarded?.host.job
  }

  send(frame: RunnerFrame): void {
    if (frame.type === 'execute') this.#begin(frame)
    else this.#boarded?.host.send(frame)
  }

  async isHeard(): Promise<boolean> {
    return (await this.#boarded?.host.isHeard()) ?? false
  }

  /** The Job that it could have been used in is gone. */
  takeBack(): void {
    this.settle({ reason: 'finished' })
  }

  #begin(frame: ExecuteFrame): void {
    const host = this.#slots.board(this, frame.id)
    // The Job that it would have had is lost, and so is the slot: the execution gets another one.
    if (!host) {
      this.settle({ reason: 'lost', detail: `No Job of the language ${this.language} has room` })
      return
    }
    this.#boarded = { host, id: frame.id }
    host.begin(frame, {
      frame: (received) => this.receive(received),
      lost: (end) => this.settle(end),
    })
  }

  protected async free(): Promise<void> {
    if (this.#boarded) await this.#boarded.host.leave(this.#boarded.id)
    this.#slots.free(this)
  }
}
