import type { DatabaseSync } from 'node:sqlite'
import { AppError, toError } from '../core/errors.ts'
import { Envelope } from '../core/execution.ts'
import type { Log } from '../core/log.ts'
import type { DeliveryHandler, Verdict } from '../core/ports.ts'
import type { Clock } from '../core/time.ts'
import { Backlog, type BacklogLimits } from './backlog.ts'
import { ExecutionTable, type Row } from './execution-table.ts'
import type { WriteGroup } from './write-group.ts'

export interface ScheduledQueueOptions {
  database: DatabaseSync
  writes: WriteGroup
  log: Log
  clock: Clock
  limits: BacklogLimits
  /** Times that an execution is handed out before it is given up. */
  deliveryLimit: number
  /** How long an execution that the runner gave back is held before it is handed out again; it holds its place meanwhile. Three attempts within a millisecond are one. */
  requeueDelayMs: number
  /** Before what failed is tried again: a write while the disk has no room, or to record the end of an execution that was given up. */
  retryMs: number
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
  /** Verdicts that are being written down. */
  readonly #settling = new Set<Promise<void>>()
  #deadHandler: DeliveryHandler | undefined
  #deadBusy = false
  #unreadable = 0

  constructor(options: ScheduledQueueOptions) {
    this.#options = options
    this.#table = new ExecutionTable(options.database, options.deliveryLimit)
    this.#backlog = new Backlog(options.limits, this.#table.holdings(), this.#table.callers())
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
    void this.#pause(verdict).then(() => this.#track(this.#settle(envelope, row, verdict)))
  }

  consume(language: string, capacity: number, handler: DeliveryHandler): void {
    const lane = this.#lane(language)
    lane.capacity = capacity
    lane.handler = handler
    this.#pump(language)
  }

  consumeDeadLetters(handler: DeliveryHandler): void {
    this.#deadHandler = handler
    this.#pumpDead()
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
    await Promise.allSettled(this.#settling)
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

  #pump(language: string): void {
    const lane = this.#lane(language)
    const { handler } = lane
    const free = Math.min(lane.capacity - lane.out, this.#backlog.waiting(language))
    if (!handler || free <= 0 || lane.resting || this.#stopping.signal.aborted) return
    const rows = this.#take(language, lane, free)
    this.#backlog.changeWaiting(language, -rows.length)
    for (const row of rows) void this.#deliver(language, lane, handler, row)
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

  async #deliver(language: string, lane: Lane, handler: DeliveryHandler, row: Row): Promise<void> {
    const envelope = this.#read(row)
    if (!envelope) return
    lane.out++
    const verdict = await this.#ask(handler, envelope, row)
    await this.#pause(verdict)
    lane.out--
    void this.#track(this.#settle(envelope, row, verdict))
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
    if (verdict === 'ack') return this.#remove(envelope, row)
    // What comes back because we stop has not failed: some quick restarts must not use up its attempts.
    if (verdict === 'requeue' && this.#stopping.signal.aborted) return this.#write(() => this.#table.giveBack(row.id))
    if (verdict === 'dead-letter' || row.attempts >= deliveryLimit) {
      await this.#write(() => this.#table.setState(row.id, 'dead'))
      return this.#pumpDead()
    }
    await this.#write(() => this.#table.setState(row.id, 'waiting'))
    this.#backlog.changeWaiting(language, 1)
    this.#pump(language)
  }

  #pumpDead(): void {
    const handler = this.#deadHandler
    if (!handler || this.#deadBusy || this.#stopping.signal.aborted) return
    const row = this.#table.nextDead(this.#unreadable)
    if (!row) return
    this.#deadBusy = true
    void this.#deliverDead(handler, row)
  }

  async #deliverDead(handler: DeliveryHandler, row: Row): Promise<void> {
    const { clock, retryMs } = this.#options
    const envelope = this.#read(row)
    if (!envelope) this.#unreadable = row.sequence
    else if ((await this.#ask(handler, envelope, row)) === 'ack') await this.#track(this.#remove(envelope, row))
    else await clock.sleep(retryMs, this.#stopping.signal).catch(() => {})
    this.#deadBusy = false
    this.#pumpDead()
  }

  async #remove({ caller, program }: Envelope, row: Row): Promise<void> {
    await this.#write(() => this.#table.remove(row.id))
    this.#backlog.remove(program.language, Buffer.byteLength(row.envelope), caller)
  }

  /**
   * Writes what became of an execution, again and again: given up, its row would stay out of everybody's reach until the next start.
   * @throws Error when the queue stops and it still cannot be written; the next process finds the row as it was
   */
  async #write(change: () => void): Promise<void> {
    const { clock, log, retryMs, writes } = this.#options
    for (;;) {
      try {
        return await writes.submit(change)
      } catch (thrown) {
        if (this.#stopping.signal.aborted) throw thrown
        log.error({ err: toError(thrown) }, 'What became of an execution could not be written, and is tried again')
        await clock.sleep(retryMs, this.#stopping.signal).catch(() => {})
      }
    }
  }

  async #ask(handler: DeliveryHandler, envelope: Envelope, { attempts }: Row): Promise<Verdict> {
    try {
      return await handler({ envelope, redelivered: attempts > 1 })
    } catch (thrown) {
      this.#options.log.error({ id: envelope.id, err: toError(thrown) }, 'A delivery handler threw')
      return 'requeue'
    }
  }

  /** A row that is no envelope stays where it is, for whoever reads the log. */
  #read(row: Row): Envelope | undefined {
    const parsed = Envelope.safeParse(JSON.parse(row.envelope))
    if (parsed.success) return parsed.data
    this.#options.log.error({ id: row.id, err: parsed.error }, 'A scheduled execution cannot be read')
    return undefined
  }

  /** The end waits for it. Resolves also when it fails: then the next process does it. */
  #track(work: Promise<void>): Promise<void> {
    const tracked = work
      .catch((thrown: unknown) => {
        this.#options.log.error({ err: toError(thrown) }, 'The queue could not write down what became of an execution')
      })
      .finally(() => this.#settling.delete(tracked))
    this.#settling.add(tracked)
    return tracked
  }
}
