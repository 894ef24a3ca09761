import type { DatabaseSync } from 'node:sqlite'
import { AppError, toError } from '../core/errors.ts'
import type { Envelope } from '../core/execution.ts'
import type { DeliveryHandler, Verdict } from '../core/ports.ts'
import { Backlog, type BacklogLimits } from './backlog.ts'
import { DeadRows } from './dead-rows.ts'
import { ExecutionTable, type Row } from './execution-table.ts'
import { LastingWrites, type LastingWritesOptions } from './lasting-writes.ts'
import { handOut, readRow } from './row-delivery.ts'

/** `retryMs` also holds for what could not be handed out, and for the end of an execution that was given up. */
export interface ScheduledQueueOptions extends LastingWritesOptions {
  database: DatabaseSync
  limits: BacklogLimits
  /** Times that an execution is handed out before it is given up. */
  deliveryLimit: number
  /** How long an execution that the runner gave back is held before it is handed out again; it holds its place meanwhile. Three attempts within a millisecond are one. */
  requeueDelayMs: number
}

interface Lane {
  capacity: number
  out: number
  handler: DeliveryHandler | undefined
  /** It could not be written that something was handed out, and is tried again soon. */
  resting: boolean
}

/**
 * Executions that must not be lost, as rows of a table: in it before the caller hears 202, out of it when their record is written.
 * Rows that were out when the process was killed are handed out again by the next one.
 */
export class ScheduledQueue implements AsyncDisposable {
  readonly #options: ScheduledQueueOptions
  readonly #table: ExecutionTable
  readonly #backlog: Backlog
  readonly #lanes = new Map<string, Lane>()
  readonly #stopping = new AbortController()
  readonly #verdicts: LastingWrites
  readonly #dead: DeadRows

  constructor(options: ScheduledQueueOptions) {
    this.#options = options
    const { log, clock, retryMs } = options
    const stopping = this.#stopping.signal
    this.#table = new ExecutionTable(options.database, options.deliveryLimit)
    this.#backlog = new Backlog(options.limits, this.#table.holdings(), this.#table.callers())
    this.#verdicts = new LastingWrites(options, stopping)
    const remove = (envelope: Envelope, row: Row) => this.#verdicts.track(this.#remove(envelope, row))
    this.#dead = new DeadRows({ table: this.#table, log, clock, retryMs, stopping, remove })
  }

  /**
   * Resolves when the execution is in the file.
   * @throws AppError queue_full, too_many_outstanding, queue_unavailable
   */
  async schedule(envelope: Envelope, maxOutstanding = Number.POSITIVE_INFINITY): Promise<void> {
    const { language } = envelope.program
    if (envelope.caller !== undefined && this.#backlog.of(envelope.caller) >= maxOutstanding) {
      const message = `This key may have ${maxOutstanding} executions that have not ended`
      throw new AppError('too_many_outstanding', message)
    }
    const json = JSON.stringify(envelope)
    if (!this.#backlog.fits(language, Buffer.byteLength(json))) throw new AppError('queue_full')
    if (!(await this.#insert(envelope, json, 'waiting', 0))) return
    this.#backlog.changeWaiting(language, 1)
    this.#pump(language)
  }

  /** Whether it is here: waiting, with the runner, or given up and not yet recorded. */
  holds(id: string): boolean {
    return this.#table.has(id)
  }

  /** Keeps a run that is with the runner already, whose caller was told to ask again later. No limit holds: it was accepted. */
  async adopt(envelope: Envelope, attempts: number): Promise<void> {
    await this.#insert(envelope, JSON.stringify(envelope), 'out', attempts)
  }

  /** Carries out the verdict on an execution that was adopted. */
  settleAdopted(envelope: Envelope, attempts: number, verdict: Verdict): void {
    const row = { sequence: 0, id: envelope.id, attempts, envelope: JSON.stringify(envelope) }
    void this.#pause(verdict).then(() => this.#verdicts.track(this.#settle(envelope, row, verdict)))
  }

  consume(language: string, capacity: number, handler: DeliveryHandler): void {
    const lane = this.#lane(language)
    lane.capacity = capacity
    lane.handler = handler
    this.#pump(language)
  }

  consumeDeadLetters(handler: DeliveryHandler): void {
    this.#dead.consume(handler)
  }

  /** Executions that wait to be handed out. */
  waiting(language: string): number {
    return this.#backlog.waiting(language)
  }

  /** Hands out nothing more. */
  stop(): void {
    this.#stopping.abort()
  }

  /** After the consumer has ended: what it returned is written first. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.stop()
    await new Promise((resolve) => setImmediate(resolve)) // a verdict of this turn reaches #settle
    await this.#verdicts.done()
  }

  async #insert(envelope: Envelope, json: string, state: 'waiting' | 'out', attempts: number): Promise<boolean> {
    const { caller, program } = envelope
    const { language } = program
    const bytes = Buffer.byteLength(json)
    this.#backlog.add(language, bytes, caller)
    try {
      const added = await this.#options.writes.submit(() => this.#table.insert(envelope, json, state, attempts))
      if (!added) this.#backlog.remove(language, bytes, caller)
      return added
    } catch (cause) {
      this.#backlog.remove(language, bytes, caller)
      throw new AppError('queue_unavailable', undefined, { cause })
    }
  }

  #lane(language: string): Lane {
    const lane = this.#lanes.get(language) ?? { capacity: 0, out: 0, handler: undefined, resting: false }
    this.#lanes.set(language, lane)
    return lane
  }

  /** Until there is no room or nothing waits: rows that cannot be read take no room, and keep nobody from being served. */
  #pump(language: string): void {
    const lane = this.#lane(language)
    const { handler } = lane
    while (handler && !lane.resting && !this.#stopping.signal.aborted) {
      const free = Math.min(lane.capacity - lane.out, this.#backlog.waiting(language))
      if (free <= 0) return
      const rows = this.#take(language, lane, free)
      this.#backlog.changeWaiting(language, -rows.length)
      for (const row of rows) this.#handOut(language, lane, handler, row)
    }
  }

  /** None when it cannot be written that they are out: they are safe where they are, and whoever has just scheduled one was told the truth. */
  #take(language: string, lane: Lane, count: number): Row[] {
    try {
      return this.#table.take(language, count)
    } catch (thrown) {
      const { clock, log, retryMs } = this.#options
      log.error({ language, err: toError(thrown) }, 'The queue cannot hand out executions: it cannot write')
      lane.resting = true
      const awake = () => {
        lane.resting = false
        this.#pump(language)
      }
      clock.sleep(retryMs, this.#stopping.signal).then(awake, () => {})
      return []
    }
  }

  #handOut(language: string, lane: Lane, handler: DeliveryHandler, row: Row): void {
    const envelope = readRow(row, this.#options.log)
    if (envelope) void this.#deliver(language, lane, handler, row, envelope)
    // It stays out until the next start, of this version or a newer one, and has not been tried.
    else void this.#verdicts.track(this.#verdicts.write(() => this.#table.forgetAttempt(row.id)))
  }

  async #deliver(language: string, lane: Lane, handler: DeliveryHandler, row: Row, envelope: Envelope): Promise<void> {
    lane.out++
    const verdict = await handOut(handler, envelope, row, this.#options.log)
    await this.#pause(verdict)
    lane.out--
    void this.#verdicts.track(this.#settle(envelope, row, verdict))
    this.#pump(language)
  }

  async #pause(verdict: Verdict): Promise<void> {
    if (verdict !== 'requeue') return
    const { clock, requeueDelayMs } = this.#options
    await clock.sleep(requeueDelayMs, this.#stopping.signal).catch(() => {})
  }

  async #settle(envelope: Envelope, row: Row, verdict: Verdict): Promise<void> {
    const { deliveryLimit } = this.#options
    const { language } = envelope.program
    if (verdict === 'ack') return await this.#remove(envelope, row)
    // What comes back because we stop has not failed: some quick restarts must not use up its attempts.
    if (verdict === 'requeue' && this.#stopping.signal.aborted)
      return await this.#verdicts.write(() => this.#table.giveBack(row.id))
    if (verdict === 'dead-letter' || row.attempts >= deliveryLimit) {
      await this.#verdicts.write(() => this.#table.setState(row.id, 'dead'))
      return this.#dead.look()
    }
    await this.#verdicts.write(() => this.#table.setState(row.id, 'waiting'))
    this.#backlog.changeWaiting(language, 1)
    this.#pump(language)
  }

  async #remove({ caller, program }: Envelope, row: Row): Promise<void> {
    await this.#verdicts.write(() => this.#table.remove(row.id))
    this.#backlog.remove(program.language, Buffer.byteLength(row.envelope), caller)
  }
}
