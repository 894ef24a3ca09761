import { AppError } from '../core/errors.ts'
import type { Envelope } from '../core/execution.ts'
import type { Delivery, DeliveryHandler, Reply, Verdict } from '../core/ports.ts'
import { patienceOf, RunMeter } from '../core/run-load.ts'

export type RunAnswer = Extract<Reply, { result: unknown }>

/** What became of a run whose caller no longer waits: the queue keeps it like a scheduled execution. */
export interface Adopter {
  adopt(envelope: Envelope, attempts: number): Promise<void>
  settleAdopted(envelope: Envelope, attempts: number, verdict: Verdict): void
}

interface Run {
  envelope: Envelope
  replyBefore: number
  attempts: number
  state: 'waiting' | 'out' | 'answered' | 'adopted'
  /** Under way or done once its caller gave up while it was out. */
  adoption?: Promise<void>
  resolve(answer: RunAnswer | undefined): void
  reject(error: AppError): void
}

interface RunLaneOptions {
  /** Runs that may wait for a free place; more are turned away at once. */
  maxWaiting: number
  deliveryLimit: number
  adopter: Adopter
  /** Milliseconds of a clock that only goes forward. */
  now: () => number
}

/**
 * Runs of one language, in memory from the caller to the runner: nothing is written before the reply. Each run is `waiting`, then `out` with the runner,
 * and ends `answered`; or `adopted`, when its caller stopped waiting while it was out: then it must survive this process like any scheduled execution.
 */
export class RunLane {
  readonly #options: RunLaneOptions
  readonly #waiting: Run[] = []
  #meter: RunMeter | undefined
  #capacity = 0
  #out = 0
  #handler: DeliveryHandler | undefined

  constructor(options: RunLaneOptions) {
    this.#options = options
  }

  /** Runs that wait for a free place. */
  get waiting(): number {
    return this.#waiting.length
  }

  consume(capacity: number, handler: DeliveryHandler): void {
    this.#capacity = capacity
    this.#handler = handler
    this.#pump()
  }

  /**
   * Resolves with undefined when the caller gave up (`expire`) and the run has been adopted.
   * @throws AppError no_capacity when too many wait, overloaded when its turn would come too late for one who waits `waitMs`
   */
  run(
    envelope: Envelope,
    replyBefore: number,
    waitMs: number,
  ): { answer: Promise<RunAnswer | undefined>; expire(): void } {
    if (this.#out >= this.#capacity && this.#waiting.length >= this.#options.maxWaiting)
      throw new AppError('no_capacity')
    this.#admit(waitMs)
    const { promise, resolve, reject } = Promise.withResolvers<RunAnswer | undefined>()
    const run: Run = { envelope, replyBefore, attempts: 0, state: 'waiting', resolve, reject }
    this.#waiting.push(run)
    this.#pump()
    void this.#measure(promise)
    return { answer: promise, expire: () => this.#expire(run) }
  }

  /** Turns away what waits; what is out may end. */
  stop(): void {
    this.#capacity = 0
    for (const run of this.#waiting.splice(0)) this.#fail(run, new AppError('shutting_down'))
  }

  #admit(waitMs: number): void {
    const { now } = this.#options
    this.#meter ??= new RunMeter(patienceOf(waitMs))
    this.#meter.see(this.#waiting.length, now())
    this.#meter.admit(now())
  }

  async #measure(answer: Promise<RunAnswer | undefined>): Promise<void> {
    const given = await answer.catch(() => undefined)
    this.#meter?.end(given !== undefined, this.#options.now())
  }

  #pump(): void {
    while (this.#handler && this.#out < this.#capacity) {
      const run = this.#waiting.shift()
      if (!run) return
      void this.#deliver(run, this.#handler)
    }
  }

  async #deliver(run: Run, handler: DeliveryHandler): Promise<void> {
    this.#out++
    run.state = 'out'
    run.attempts++
    const { envelope, replyBefore } = run
    const reply = (given: Reply) => this.#reply(run, given)
    const delivery: Delivery = { envelope, redelivered: run.attempts > 1, reply, replyBefore }
    const verdict = await handler(delivery).catch((): Verdict => 'requeue')
    this.#out--
    this.#settle(run, verdict)
    this.#pump()
  }

  #reply(run: Run, given: Reply): void {
    if (run.state !== 'out') return
    if ('result' in given) {
      run.state = 'answered'
      run.resolve(given)
    } else this.#fail(run, new AppError(given.error.code, given.error.message))
  }

  #settle(run: Run, verdict: Verdict): void {
    const { envelope, attempts } = run
    // One whose adoption failed is nobody's: its caller was told so.
    run.adoption?.then(
      () => this.#options.adopter.settleAdopted(envelope, attempts, verdict),
      () => {},
    )
    if (run.state !== 'out') return
    if (verdict === 'requeue' && run.attempts < this.#options.deliveryLimit && this.#capacity > 0) {
      run.state = 'waiting'
      this.#waiting.unshift(run)
    } else this.#fail(run, new AppError(verdict === 'ack' ? 'internal' : 'sandbox_unavailable'))
  }

  #expire(run: Run): void {
    if (run.state === 'waiting') {
      this.#waiting.splice(this.#waiting.indexOf(run), 1)
      this.#fail(run, new AppError('no_capacity'))
    } else if (run.state === 'out') {
      run.state = 'adopted'
      run.adoption = this.#options.adopter.adopt(run.envelope, run.attempts)
      run.adoption.then(
        () => run.resolve(undefined),
        (cause: unknown) => run.reject(new AppError('queue_unavailable', undefined, { cause })),
      )
    }
  }

  #fail(run: Run, error: AppError): void {
    run.state = 'answered'
    run.reject(error)
  }
}
