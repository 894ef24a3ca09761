import { programDigest } from '../core/digest.ts'
import { AppError, toAppError } from '../core/errors.ts'
import type { Envelope, ExecutionRecord } from '../core/execution.ts'
import type { Delivery, Sandbox, Timings, Verdict } from '../core/ports.ts'
import { isAwaited, type Patience, replyError, replySent, waitOptions } from './caller.ts'
import { type Execution, execute } from './execute.ts'
import { keepRecord, markRunningAfter, type RecordDependencies, takeOver } from './keep-record.ts'
import { traceAttempt } from './trace-attempt.ts'
import type { WaitOptions } from './waiting-line.ts'

/** Where sandboxes come from; runner/pool.ts. */
export interface Claimer {
  claim(language: string, options: WaitOptions): Promise<ClaimedSandbox>
  refusal(language: string): AppError | undefined
}

export interface ClaimedSandbox {
  readonly sandbox: Sandbox
  readonly path: 'warm' | 'cold'
  release(): Promise<void>
}

/** Whose turn it is; runner/gate.ts. */
export interface Entrance {
  enter(options: WaitOptions): Promise<Disposable>
}

/** Told of deliveries that have run and only wait for their record; runner/lookahead.ts. */
export interface Lingerer {
  linger(): Disposable
}

export interface ConsumerDependencies extends RecordDependencies {
  pool: Claimer
  /** One for each language that is consumed. */
  gates: ReadonlyMap<string, Entrance>
  /** One for each language that is consumed. */
  lookaheads: ReadonlyMap<string, Lingerer>
  settings: Patience & {
    graceMs: number
    markRunningAfterMs: number
    timings: boolean
  }
  /** Aborted when this runner has no time left: what can not be written down then goes back to the queue. */
  over: AbortSignal
}

interface Finished {
  /** Whether the caller was still there to hear the result. */
  answered: boolean
  /** Whether the record was written, once that is known. */
  kept: Promise<boolean>
}

/** How it ended beside its result. */
interface Ended {
  sandbox: Sandbox
  /** The write that shows it as running, where one is under way. */
  marking: Promise<void> | undefined
  answered: boolean
}

/**
 * What becomes of a delivery:
 *
 * - It ran: the reply goes out at once, then the record is written, then `ack`. So a crash in between runs it again instead of losing it, and what was
 *   recorded before a redelivery is not run again.
 * - Trouble of ours, somebody waits: they are told, `ack`. Nothing durable was promised to them.
 * - Trouble of ours, nobody waits: `requeue`, or `dead-letter` when trying again is of no use.
 * - The store is away, nobody waits: it stays here until that is back. Nobody else could write it down either, and each time it is handed out counts as an
 *   attempt: an API server that is away for minutes would use them up, and the execution would be lost.
 * - The sandbox of a run was lost: once more in another one, while its caller still waits.
 *
 * Between a delivery and the `execute` frame of a warm sandbox nothing is awaited but promises that are resolved already: no timer, no call to an API.
 */
export class ExecutionConsumer {
  readonly #dependencies: ConsumerDependencies

  constructor(dependencies: ConsumerDependencies) {
    this.#dependencies = dependencies
  }

  /** Never rejects. */
  handle = async (delivery: Delivery): Promise<Verdict> => {
    const { metrics, log } = this.#dependencies
    const { id, program } = delivery.envelope
    const { redelivered } = delivery
    log.debug({ id, language: program.language, redelivered }, 'An execution was delivered')
    let verdict: Verdict
    try {
      const known =
        redelivered &&
        (await takeOver(id, this.#dependencies, () => this.#insists(delivery, this.#isAwaited(delivery))))
      verdict = known ? 'ack' : await this.#run(delivery)
    } catch (thrown) {
      verdict = await this.#fail(delivery, toAppError(thrown))
    }
    metrics.add('runlet_deliveries_total', { language: program.language, verdict })
    return verdict
  }

  /** Whether a store that is away is waited for: not where its caller has the result, or can be told of the trouble. */
  #insists(delivery: Delivery, hasCaller: boolean): boolean {
    return !hasCaller && isHeld(delivery) && !this.#dependencies.over.aborted
  }

  async #run(delivery: Delivery): Promise<Verdict> {
    const { answered, kept } = await this.#attempt(delivery).catch((thrown: unknown) => {
      const error = toAppError(thrown)
      if (error.code !== 'sandbox_lost' || !this.#isAwaited(delivery) || !isHeld(delivery)) throw error
      this.#dependencies.log.warn({ id: delivery.envelope.id, error }, 'A run lost its sandbox and is tried again')
      this.#dependencies.metrics.add('runlet_run_retries_total', { language: delivery.envelope.program.language })
      return this.#attempt(delivery)
    })
    using _lingering = this.#dependencies.lookaheads.get(delivery.envelope.program.language)?.linger()
    return (await kept) || answered ? 'ack' : 'requeue'
  }

  /**
   * Runs it in one sandbox. The sandbox is released as soon as the reply is out and the record on its way: destroying it first could take away what the
   * record is written to. Nobody waits for its end.
   */
  async #attempt(delivery: Delivery): Promise<Finished> {
    const { clock, metrics, settings, log } = this.#dependencies
    const { envelope } = delivery
    const { id, program } = envelope
    const { language } = program
    const received = clock.monotonic()
    const queue = clock.now() - envelope.acceptedAt
    const options = this.#admit(delivery)
    using _turn = await this.#gate(language).enter(options)
    const entered = clock.monotonic()
    const { sandbox, path, release } = await this.#dependencies.pool.claim(language, options)
    const claimed = clock.monotonic()
    log.debug({ id, sandbox: sandbox.name, path, waitedMs: claimed - received }, 'An execution got its sandbox')
    const stopMark = markRunningAfter(settings.markRunningAfterMs, id, sandbox, this.#dependencies)
    try {
      const execution = await execute(envelope, sandbox, { clock, graceMs: settings.graceMs })
      const answered = this.#isAwaited(delivery)
      const { status, wallTimeMs } = execution.result
      log.debug({ id, sandbox: sandbox.name, status, wallTimeMs }, 'An execution ended')
      const waited = { queue, gate: entered - received, claim: claimed - entered }
      const took = clock.monotonic() - received
      this.#reply(delivery, execution, { ...waited, ...execution.timings, runner: took })
      // Recording it and starting the next sandbox take 2 ms before the event loop turns: the caller does not wait for that.
      if (delivery.reply) await replySent()
      traceAttempt(delivery, {
        ...{ received, entered, claimed, ended: received + took, sandbox: sandbox.name, path, execution },
      })
      metrics.observe('runlet_claim_seconds', { language, path }, (claimed - entered) / 1000)
      metrics.observe('runlet_execution_seconds', { language, path }, took / 1000)
      metrics.add('runlet_executions_total', { language, status, path })
      return { answered, kept: this.#keep(delivery, execution, { sandbox, marking: stopMark(), answered }) }
    } finally {
      const marking = stopMark()
      void (marking === undefined ? release() : marking.then(release))
    }
  }

  /** @throws AppError when it is of no use to wait */
  #admit(delivery: Delivery): WaitOptions {
    const { pool, clock, settings } = this.#dependencies
    const options = waitOptions(delivery, clock.now(), settings)
    const refusal = options.priority === 'run' ? pool.refusal(delivery.envelope.program.language) : undefined
    if (refusal) throw refusal
    return options
  }

  #gate(language: string): Entrance {
    const gate = this.#dependencies.gates.get(language)
    if (!gate) throw new AppError('internal', `This runner does not run "${language}"`)
    return gate
  }

  /**
   * Only the first attempt that is made keeps its record with its sandbox: two attempts with two sandboxes would leave two records. Who has heard the result does
   * not need the record that much; nobody else gives it up while the execution is held.
   */
  async #keep(delivery: Delivery, execution: Execution, { sandbox, marking, answered }: Ended): Promise<boolean> {
    const record = recordOf(delivery.envelope, execution, sandbox, this.#dependencies.clock.now())
    if (marking !== undefined) await marking
    const place = delivery.redelivered || !isHeld(delivery) ? undefined : sandbox
    const started = this.#dependencies.clock.monotonic()
    const kept = await keepRecord(record, place, this.#dependencies, {
      isHeld: () => isHeld(delivery),
      unhurried: answered,
      insists: () => this.#insists(delivery, answered),
    })
    delivery.trace?.step('record', started, this.#dependencies.clock.monotonic(), { 'runlet.kept': kept })
    return kept
  }

  /**
   * Also when it is late: whether the caller has gone is for the queue to know, and a reply to nobody is dropped. What is no longer held is answered by whoever
   * holds it now: two answers could differ.
   */
  #reply(delivery: Delivery, { result }: Execution, timings: Timings): void {
    if (!isHeld(delivery)) return
    delivery.reply?.({ id: delivery.envelope.id, result, ...(this.#dependencies.settings.timings && { timings }) })
  }

  async #fail(delivery: Delivery, error: AppError): Promise<Verdict> {
    const { log } = this.#dependencies
    const { id, program } = delivery.envelope
    const awaited = this.#isAwaited(delivery)
    delivery.trace?.fail(error.code)
    const { level } = error.kind
    const what = level === 'warn' || level === 'error' ? { error } : { code: error.code }
    log[level]({ id, language: program.language, awaited, ...what }, 'An execution could not be run')
    if (awaited) {
      replyError(delivery, error)
      return 'ack'
    }
    return error.kind.retry === 'never' ? 'dead-letter' : 'requeue'
  }

  #isAwaited(delivery: Delivery): boolean {
    return isAwaited(delivery, this.#dependencies.clock.now(), this.#dependencies.settings)
  }
}

const isHeld = (delivery: Delivery) => delivery.isHeld?.() ?? true

function recordOf(
  { id, acceptedAt, program }: Envelope,
  { result, startedAt }: Execution,
  sandbox: Sandbox,
  now: number,
): ExecutionRecord {
  return {
    version: 1,
    id,
    language: program.language,
    languageVersion: sandbox.version,
    acceptedAt,
    startedAt,
    finishedAt: now,
    digest: programDigest(program),
    result,
  }
}
