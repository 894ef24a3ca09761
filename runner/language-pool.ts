import { AppError, toError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Sandbox, SandboxEnd, SandboxProvider } from '../core/ports.ts'
import type { Clock } from '../core/time.ts'
import { Alarm } from './alarm.ts'
import type { Capacity, Claim, PoolSize } from './claim.ts'
import { Crowd } from './crowd.ts'
import { NO_DEMAND, type Target, targetOf, withClaim, withStart } from './demand.ts'
import { StartExpectations } from './expectations.ts'
import { Places } from './places.ts'
import { type Actions, planPool } from './plan.ts'
import type { PooledSandbox } from './sandbox.ts'
import type { RunnerSettings } from './settings.ts'
import { type HeldEvent, StartHealth } from './start-health.ts'
import { WaitingLine, type WaitOptions } from './waiting-line.ts'

export interface PoolOptions {
  provider: SandboxProvider
  metrics: Metrics
  log: Log
  clock: Clock
  settings: RunnerSettings
  notify?: ((event: HeldEvent) => void) | undefined
}

/** The sandboxes of one language: carries out what planPool decides. */
export class LanguagePool {
  readonly #language: string
  readonly #options: PoolOptions
  readonly #log: Log
  readonly #health: StartHealth
  readonly #crowd: Crowd
  readonly #starts: StartExpectations
  /** The starts in flight; none of them rejects. */
  readonly #starting = new Set<Promise<void>>()
  readonly #places: Places
  readonly #line: WaitingLine<Claim>
  readonly #alarm: Alarm
  readonly #size: PoolSize
  #claimedAt = Number.NEGATIVE_INFINITY
  #demand = NO_DEMAND
  #refillDelayMs: number
  #version: string | undefined
  #draining = false

  constructor(language: string, size: PoolSize, options: PoolOptions) {
    const { clock, settings, metrics, notify } = options
    const log = options.log.child({ language })
    const { destroyDeadlineMs, startDeadlineMs } = settings
    this.#language = language
    this.#size = size
    this.#options = options
    this.#log = log
    this.#refillDelayMs = settings.refillDelayMs
    this.#health = new StartHealth({ language, metrics, log, notify })
    this.#crowd = new Crowd({ language, metrics, log })
    this.#starts = new StartExpectations({ clock, deadlineMs: startDeadlineMs })
    this.#places = new Places({ language, metrics, log, clock, destroyDeadlineMs, onGone: () => this.#planSoon() })
    this.#line = new WaitingLine(clock)
    this.#alarm = new Alarm(clock, () => this.#plan())
    this.#plan()
  }

  /**
   * A sandbox for one execution: at once when one is idle, else in turn.
   * @throws AppError no_capacity at the deadline, sandbox_unavailable for a run while the pool is held, shutting_down
   */
  claim(options: WaitOptions): Promise<Claim> {
    if (this.#draining) return Promise.reject(new AppError('shutting_down'))
    this.#demand = withClaim(this.#demand, this.#options.clock.monotonic())
    const claim = this.#take('warm')
    if (claim) {
      this.#alarm.ringWithin(this.#refillDelayMs)
      return Promise.resolve(claim)
    }
    const refusal = options.priority === 'run' ? this.refusal() : undefined
    if (refusal) return Promise.reject(refusal)
    const turn = this.#line.wait(options)
    this.#plan()
    return turn
  }

  /** What a run would be told at once: nothing is idle, and nothing will be before the pause of a held pool is over. */
  refusal(): AppError | undefined {
    const { held } = this.#health
    if (!held || this.#places.idle.length > 0 || this.#options.clock.monotonic() >= held.until) return undefined
    // The reason names images and hosts: it is for the log.
    return new AppError('sandbox_unavailable', undefined, { cause: new Error(held.reason) })
  }

  capacity(): Capacity {
    const waiting = this.#line.length
    return { ...this.#size, ...this.#places.counts, waiting, held: this.#health.held, version: this.#version }
  }

  /** Ends what is idle or starting and sends waiters away with shutting_down; claimed sandboxes stay. Resolves when only these are left. */
  async drain(): Promise<void> {
    this.#draining = true
    this.#alarm.stop()
    this.#line.reject(new AppError('shutting_down'))
    this.#starts.abort(new AppError('shutting_down'))
    for (const place of this.#places.idle) void this.#places.end(place)
    await Promise.all(this.#starting)
    await this.#places.settle()
  }

  /** Drains, and ends the claimed ones too. */
  async destroy(): Promise<void> {
    this.#places.endClaimed()
    await this.drain()
  }

  #plan(): void {
    if (this.#draining) return
    const now = this.#options.clock.monotonic()
    const { claimed, ending } = this.#places.counts
    const observed = {
      idle: this.#places.idle.map((place) => ({ name: place.sandbox.name, since: place.readyAt })),
      ...{ claimed, ending, claimedAt: this.#claimedAt },
      ...{ failures: this.#health.failures, crowding: this.#crowd.crowding },
    }
    const { max, warm: least } = this.#size
    const wanted = { ...this.#options.settings, ...this.#target(now), max, least }
    this.#carryOut(planPool(observed, wanted, { starts: this.#starts.count, waiters: this.#line.length }, now), now)
  }

  #target(now: number): Target {
    const target = targetOf(this.#demand, { ...this.#options.settings, ...this.#size }, now)
    this.#refillDelayMs = target.refillDelayMs
    this.#options.metrics.set('runlet_pool_wanted', { language: this.#language }, target.warm)
    return target
  }

  #carryOut({ start, retire, held, forgive, again }: Actions, now: number): void {
    if (forgive) this.#health.forgive()
    this.#health.hold(held)
    const refusal = this.refusal()
    if (refusal) this.#line.reject(refusal, ['run'])
    const retired = this.#places.idle.filter((place) => retire.includes(place.sandbox.name))
    for (const place of retired) void this.#places.end(place)
    for (let count = 0; count < start; count++) this.#start()
    if (again !== undefined) this.#alarm.ringWithin(again - now)
  }

  /** A refill may wait until the execution that caused it is over; a claim that waits may not. */
  #planSoon(): void {
    if (this.#line.length > 0) this.#plan()
    else this.#alarm.ringWithin(this.#refillDelayMs)
  }

  #start(): void {
    const start = this.#tryStart().finally(() => this.#starting.delete(start))
    this.#starting.add(start)
  }

  async #tryStart(): Promise<void> {
    const { provider } = this.#options
    const place = this.#places.open()
    try {
      const sandbox = await this.#starts.expect(
        (signal) => provider.start(this.#language, signal),
        (late) => void this.#places.destroy(late),
      )
      this.#welcome(place, sandbox)
    } catch (thrown) {
      place.enterGone()
      if (!this.#draining) this.#failed(place.startedAt, toError(thrown))
    }
    this.#planSoon()
  }

  /** No room beside others is no failure. No room for even one is: then nothing can run. */
  #failed(startedAt: number, error: Error): void {
    const now = this.#options.clock.monotonic()
    const { living } = this.#places
    const noRoom = error instanceof AppError && error.code === 'no_capacity'
    if (noRoom && living > 0) this.#crowd.refuse(startedAt, living, error.message, now)
    else this.#health.fail(startedAt, error.message, now)
  }

  #welcome(place: PooledSandbox, sandbox: Sandbox): void {
    this.#places.welcome(place, sandbox)
    this.#version = sandbox.version
    this.#crowd.grow(this.#places.living)
    const tookMs = place.readyAt - place.startedAt
    this.#demand = withStart(this.#demand, tookMs)
    this.#options.metrics.observe('runlet_sandbox_start_seconds', { language: this.#language }, tookMs / 1000)
    void sandbox.ended.then((end) => this.#onEnded(place, end))
    if (this.#draining) void this.#places.end(place)
    else if (this.#line.length > 0) this.#serve()
  }

  #serve(): void {
    const claim = this.#take('cold')
    if (claim) this.#line.serve(claim)
  }

  #take(path: Claim['path']): Claim | undefined {
    const place = this.#places.take()
    if (!place) return undefined
    this.#claimedAt = this.#options.clock.monotonic()
    const release = () => {
      if (place.state === 'claimed') this.#health.prove(place.readyAt)
      return this.#places.end(place)
    }
    return { sandbox: place.sandbox, path, release }
  }

  #onEnded(place: PooledSandbox, end: SandboxEnd): void {
    const { state, readyAt, startedAt } = place
    if (state !== 'idle' && (state !== 'claimed' || end.reason !== 'lost')) return
    // Its provider took it back, as slots of a Job that is gone: nothing failed.
    if (end.reason === 'finished') return void this.#places.end(place)
    this.#log.warn({ sandbox: place.sandbox.name, state, ...end }, 'A sandbox was lost')
    this.#options.metrics.add('runlet_sandbox_failures_total', { language: this.#language, reason: `lost_${state}` })
    const now = this.#options.clock.monotonic()
    const young = state === 'idle' && now - readyAt < this.#options.settings.provenMs
    if (young) this.#health.fail(startedAt, `A sandbox ended as soon as it was ready: ${describe(end)}`, now)
    void this.#places.end(place)
  }
}

const describe = (end: SandboxEnd) => (end.reason === 'lost' ? end.detail : end.reason)
