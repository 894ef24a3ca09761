/** One Job of the nested tier: an agent with several slots, and the executions that are in them. */
import type { AgentFrame, RunnerFrame } from '../core/frames.ts'
import type { SandboxEnd } from '../core/ports.ts'
import type { Clock } from '../core/time.ts'
import type { AttachedJob } from './agent-jobs.ts'
import type { HeldJob } from './held-job.ts'
import type { ObservedHost } from './host-plan.ts'

export type ExecuteFrame = Extract<RunnerFrame, { type: 'execute' }>

/** What an execution hears of its slot. */
export interface Occupant {
  frame(frame: AgentFrame): void
  /** The slot is of no use any more, before there was a result. */
  lost(end: SandboxEnd): void
}

export interface NestedHostOptions {
  attached: AttachedJob
  /** At most: the agent may offer less. */
  slots: number
  clock: Clock
  /** Told once, when its stream has ended by itself. */
  onLost(host: NestedHost, reason: string): void
  /** Told when something in it can't be trusted: it is to take no more executions. */
  onDoubt(host: NestedHost, reason: string): void
  /** Told once, when nothing of it is held any more. */
  onClosed(host: NestedHost): void
}

interface Running {
  occupant: Occupant
  /** Resolves when the agent says that nothing of the execution is left. */
  gone: PromiseWithResolvers<void>
  over: boolean
}

/** A cancelled guest is gone within milliseconds; this is for a node that is starved. */
const CANCEL_MS = 5000

/**
 * Serves until it is retired, then until nothing runs in it any more, then lets its Job go. It decides nothing about its own end but what its stream tells: when
 * to retire it is planHosts', whom to trust LanguageHosts' business. An execution has its slot from `begin` to `leave`, however it ended.
 */
export class NestedHost {
  readonly job: HeldJob
  readonly version: string
  readonly slots: number
  readonly #options: NestedHostOptions
  readonly #running = new Map<string, Running>()
  readonly #startedAt: number
  #idleSince: number
  #executions = 0
  #retired = false
  #closed: Promise<void> | undefined

  constructor(options: NestedHostOptions) {
    const { attached, clock } = options
    this.#options = options
    this.job = attached.job
    this.version = attached.ready.version
    this.slots = Math.min(options.slots, attached.ready.slots)
    this.#startedAt = clock.monotonic()
    this.#idleSince = this.#startedAt
    void attached.stream.ended.then(({ reason, ours }) => this.#onEnded(reason, ours))
  }

  get free(): number {
    return this.#retired ? 0 : this.slots - this.#running.size
  }

  observe(): ObservedHost {
    const now = this.#options.clock.monotonic()
    const running = this.#running.size
    const idleMs = running === 0 ? now - this.#idleSince : 0
    return {
      name: this.job.name,
      slots: this.slots,
      running,
      executions: this.#executions,
      ageMs: now - this.#startedAt,
      idleMs,
    }
  }

  /** An execution that was handed out twice must not meet itself: frames are told apart by its id. */
  canTake(id: string): boolean {
    return this.free > 0 && !this.#running.has(id)
  }

  /** Gives a slot to an execution. It stays taken until `leave`. */
  begin(frame: ExecuteFrame, occupant: Occupant): void {
    const { stream } = this.#options.attached
    const running: Running = { occupant, gone: Promise.withResolvers(), over: false }
    this.#running.set(frame.id, running)
    this.#executions += 1
    stream.route(frame.id, frame.limits.outputBytes, (received) => this.#receive(running, received))
    stream.send(frame)
  }

  send(frame: RunnerFrame): void {
    this.#options.attached.stream.send(frame)
  }

  /** Whether its stream still carries anything. */
  isHeard(): Promise<boolean> {
    return this.#options.attached.stream.isHeard()
  }

  /** Ends the execution, if it still runs, and frees its slot. Never rejects. */
  async leave(id: string): Promise<void> {
    const running = this.#running.get(id)
    if (!running) return
    if (!running.over) await this.#cancel(id, running)
    this.#running.delete(id)
    this.#idleSince = this.#options.clock.monotonic()
    if (this.#retired) this.#closeWhenEmpty()
  }

  /** It takes no more executions, and ends when those that it has are over. Safe to call again. */
  retire(): void {
    this.#retired = true
    this.#closeWhenEmpty()
  }

  /** Ends it now, whatever runs in it. Resolves when its Job has been let go; never rejects. */
  close(): Promise<void> {
    this.#retired = true
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const { stream, release } = this.#options.attached
    stream.close()
    await release()
    this.#options.onClosed(this)
  }

  #closeWhenEmpty(): void {
    if (this.#running.size === 0) void this.close()
  }

  async #cancel(id: string, running: Running): Promise<void> {
    const { clock } = this.#options
    this.send({ type: 'cancel', id })
    const inTime = new AbortController()
    const late = clock.sleep(CANCEL_MS, inTime.signal).then(
      () => this.#options.onDoubt(this, `An execution did not end within ${CANCEL_MS} ms of being cancelled`),
      () => {},
    )
    await Promise.race([running.gone.promise, late])
    inTime.abort()
  }

  #receive(running: Running, frame: AgentFrame): void {
    if (frame.type === 'result' || frame.type === 'fault') {
      running.over = true
      running.gone.resolve()
    }
    running.occupant.frame(frame)
    if (frame.type === 'fault') this.#options.onDoubt(this, `It reported a fault: ${frame.message}`)
  }

  /**
   * The executions in it are to be run again elsewhere. What the kernel's verdict on the whole pod says of one of many is nothing: only an execution that was
   * alone is told that the memory was its doing.
   */
  async #onEnded(reason: string, ours: boolean): Promise<void> {
    if (this.#closed !== undefined) return this.#loseAll({ reason: 'lost', detail: reason })
    this.#retired = true
    this.#options.onLost(this, reason)
    const [first, ...others] = [...this.#running.values()].filter(({ over }) => !over)
    const end: SandboxEnd = ours ? { reason: 'lost', detail: reason } : await this.#options.attached.examine(reason)
    if (first && others.length > 0 && end.reason === 'out_of_memory')
      this.#loseAll({ reason: 'lost', detail: 'Its Job ran out of memory with several executions in it' })
    else this.#loseAll(end)
    this.#closeWhenEmpty()
  }

  #loseAll(end: SandboxEnd): void {
    for (const running of this.#running.values()) {
      if (running.over) continue
      running.over = true
      running.gone.resolve()
      running.occupant.lost(end)
    }
  }
}
