import type { Envelope } from '../core/execution.ts'
import type { Log } from '../core/log.ts'
import type { DeliveryHandler } from '../core/ports.ts'
import type { Clock } from '../core/time.ts'
import type { ExecutionTable, Row } from './execution-table.ts'
import { handOut, readRow } from './row-delivery.ts'

export interface DeadRowsOptions {
  table: Pick<ExecutionTable, 'nextDead'>
  log: Log
  clock: Clock
  /** Before the end of one that could not be recorded is tried again. */
  retryMs: number
  stopping: AbortSignal
  /** Its end is recorded. */
  remove(envelope: Envelope, row: Row): Promise<void>
}

/** Executions that were given up, one after the other, until their end is recorded. */
export class DeadRows {
  readonly #options: DeadRowsOptions
  #handler: DeliveryHandler | undefined
  #isBusy = false
  /** The last row that cannot be read: it stays where it is, for whoever reads the log. */
  #unreadable = 0

  constructor(options: DeadRowsOptions) {
    this.#options = options
  }

  consume(handler: DeliveryHandler): void {
    this.#handler = handler
    this.look()
  }

  /** There may be a new one. */
  look(): void {
    const { table, stopping } = this.#options
    const handler = this.#handler
    if (!handler || this.#isBusy || stopping.aborted) return
    const row = table.nextDead(this.#unreadable)
    if (!row) return
    this.#isBusy = true
    void this.#deliver(handler, row)
  }

  async #deliver(handler: DeliveryHandler, row: Row): Promise<void> {
    const { clock, log, retryMs, stopping, remove } = this.#options
    const envelope = readRow(row, log)
    if (!envelope) this.#unreadable = row.sequence
    else if ((await handOut(handler, envelope, row, log)) === 'ack') await remove(envelope, row)
    else await clock.sleep(retryMs, stopping).catch(() => {})
    this.#isBusy = false
    this.look()
  }
}
