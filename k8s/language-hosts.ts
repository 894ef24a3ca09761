/** The Jobs of one language in the nested tier, and the slots in them: carries out what planHosts decides. */
import { AppError, toError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Sandbox } from '../core/ports.ts'
import type { Clock } from '../core/time.ts'
import type { AttachedJob } from './agent-jobs.ts'
import { planHosts, type WantedHosts } from './host-plan.ts'
import { NestedHost } from './nested-host.ts'
import { NestedSandbox, type Slots } from './nested-sandbox.ts'

export interface LanguageHostsOptions {
  language: string
  /** Creates a Job and waits for its agent. @throws AppError sandbox_unavailable */
  startJob(signal: AbortSignal): Promise<AttachedJob>
  wanted: Pick<WantedHosts, 'slots' | 'executionsPerJob' | 'maxAgeMs'>
  clock: Clock
  log: Log
}

type Waiter = PromiseWithResolvers<Sandbox>

/** As long as a burst may pause before what it needed is taken down. */
const KEEP_IDLE_MS = 60_000
/** A starting pod takes a CPU for a second, which executions want too. */
const STARTS_AT_ONCE = 2
/** How often ages are looked at. */
const TICK_MS = 1000
/** A successor that could not be started is tried again after this; a slot that somebody waits for is tried as often as he asks. */
const PAUSE_MS = 10_000

export class LanguageHosts implements Slots, AsyncDisposable {
  readonly #options: LanguageHostsOptions
  readonly #log: Log
  readonly #stop = new AbortController()
  /** Those that take executions. */
  readonly #hosts = new Set<NestedHost>()
  /** Those that take executions, and those that take no more and have not been let go yet. */
  readonly #living = new Set<NestedHost>()
  readonly #starting = new Set<Promise<void>>()
  /** In order: who came first is served first, and the slot that was handed out last is taken back first. */
  readonly #waiting = new Set<Waiter>()
  readonly #unbound = new Set<NestedSandbox>()
  #pausedUntil = 0
  #count = 0
  #version = ''

  constructor(options: LanguageHostsOptions) {
    this.#options = options
    this.#log = options.log.child({ language: options.language })
    void this.#tick()
  }

  get version(): string {
    return this.#version
  }

  /** A slot: at once where there is one, else when a Job has been started for it. @throws AppError sandbox_unavailable */
  start(signal: AbortSignal): Promise<Sandbox> {
    if (this.#free > 0) return Promise.resolve(this.#handOut())
    const waiter: Waiter = Promise.withResolvers()
    const giveUp = () => this.#refuse(waiter, new AppError('sandbox_unavailable', 'Starting the sandbox was given up'))
    signal.addEventListener('abort', giveUp, { once: true })
    this.#waiting.add(waiter)
    this.#plan()
    return waiter.promise.finally(() => signal.removeEventListener('abort', giveUp))
  }

  board(slot: NestedSandbox, id: string): NestedHost | undefined {
    const able = [...this.#hosts].filter((host) => host.canTake(id))
    const host = able.reduce<NestedHost | undefined>(
      (best, one) => (best && best.free >= one.free ? best : one),
      undefined,
    )
    return host && this.#unbound.delete(slot) ? host : undefined
  }

  free(slot: NestedSandbox): void {
    this.#unbound.delete(slot)
    this.#serve()
    this.#plan()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#starting)
    await Promise.all([...this.#living].map((host) => host.close()))
  }

  /** Slots that nobody has: not even one who has not used it yet. */
  get #free(): number {
    let free = -this.#unbound.size
    for (const host of this.#hosts) free += host.free
    return free
  }

  #handOut(): Sandbox {
    const slot = new NestedSandbox(this.#options.language, ++this.#count, this)
    this.#unbound.add(slot)
    return slot
  }

  #serve(): void {
    for (const waiter of this.#waiting) {
      if (this.#free <= 0) return
      this.#waiting.delete(waiter)
      waiter.resolve(this.#handOut())
    }
  }

  #refuse(waiter: Waiter, error: AppError): void {
    if (this.#waiting.delete(waiter)) waiter.reject(error)
  }

  #plan(): void {
    if (this.#stop.signal.aborted) return
    const { wanted, clock } = this.#options
    const { start, retire } = planHosts(
      {
        serving: [...this.#hosts].map((host) => host.observe()),
        starting: this.#starting.size,
        unbound: this.#unbound.size,
        waiting: this.#waiting.size,
      },
      { ...wanted, keepIdleMs: KEEP_IDLE_MS, startsAtOnce: STARTS_AT_ONCE },
    )
    for (const host of [...this.#hosts]) if (retire.includes(host.job.name)) this.#retire(host)
    const paused = this.#waiting.size === 0 && clock.monotonic() < this.#pausedUntil
    for (let count = 0; count < start && !paused; count++) this.#startHost()
  }

  #startHost(): void {
    const start = this.#tryStart().then(() => {
      this.#starting.delete(start)
      this.#serve()
      this.#plan()
    })
    this.#starting.add(start)
  }

  async #tryStart(): Promise<void> {
    const { startJob, wanted, clock } = this.#options
    try {
      const attached = await startJob(this.#stop.signal)
      const onLost = (host: NestedHost, reason: string) => this.#lose(host, reason)
      const onDoubt = (host: NestedHost, reason: string) => this.#doubt(host, reason)
      const onClosed = (host: NestedHost) => this.#living.delete(host)
      const host = new NestedHost({ attached, slots: wanted.slots, clock, onLost, onDoubt, onClosed })
      this.#version = host.version
      this.#hosts.add(host)
      this.#living.add(host)
    } catch (thrown) {
      this.#fail(thrown)
    }
  }

  /** Those who waited for this one are told why: whether to try again is theirs to decide. */
  #fail(thrown: unknown): void {
    const { wanted, clock } = this.#options
    const error = thrown instanceof AppError ? thrown : new AppError('sandbox_unavailable', toError(thrown).message)
    this.#pausedUntil = clock.monotonic() + PAUSE_MS
    if (this.#waiting.size === 0 && !this.#stop.signal.aborted)
      this.#log.warn({ error: error.message }, 'A Job that others were to be renewed by could not be started')
    const stillComing = (this.#starting.size - 1) * wanted.slots
    for (const waiter of [...this.#waiting].slice(0, Math.max(0, this.#waiting.size - stillComing)))
      this.#refuse(waiter, error)
  }

  #retire(host: NestedHost): void {
    this.#hosts.delete(host)
    host.retire()
    const { executions, ageMs } = host.observe()
    const ageSeconds = Math.round(ageMs / 1000)
    this.#log.debug({ job: host.job.name, executions, ageSeconds }, 'A Job takes no more executions')
    host.job.tell({ reason: 'Retired', message: `After ${executions} executions in ${ageSeconds} s it takes no more` })
  }

  #doubt(host: NestedHost, reason: string): void {
    if (!this.#hosts.has(host)) return
    this.#log.warn(
      { job: host.job.name, reason },
      'A Job can not be trusted any more: it ends after the executions in it',
    )
    host.job.tell({ type: 'Warning', reason: 'NotTrusted', message: reason })
    this.#retire(host)
    this.#takeBack()
    this.#plan()
  }

  #lose(host: NestedHost, reason: string): void {
    if (this.#hosts.delete(host)) this.#log.warn({ job: host.job.name, reason }, 'A Job was lost with what ran in it')
    this.#takeBack()
    this.#plan()
  }

  /** Slots that there are no longer are taken back; whoever keeps them asks for others. */
  #takeBack(): void {
    const gone = [...this.#unbound].slice(Math.min(0, this.#free) + this.#unbound.size)
    for (const slot of gone) {
      this.#unbound.delete(slot)
      slot.takeBack()
    }
  }

  async #tick(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await this.#options.clock.sleep(TICK_MS, signal).catch(() => {})
      this.#plan()
    }
  }
}
