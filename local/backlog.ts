import type { Holding } from './execution-table.ts'

/** Callers, and how many of their executions are held. */
export type Callers = readonly { caller: string; rows: number }[]

export interface BacklogLimits {
  /** Executions of one language that are held: waiting, running, or given up and not yet recorded. */
  length: number
  /** Bytes of all held executions together: they are on the disk of somebody's laptop. */
  bytes: number
}

/** Counts what the queue holds, so that neither "is it full?" nor "is there work?" asks the database. */
export class Backlog {
  readonly #limits: BacklogLimits
  readonly #rows = new Map<string, number>()
  readonly #waiting = new Map<string, number>()
  readonly #ofCaller = new Map<string, number>()
  #bytes = 0

  constructor(limits: BacklogLimits, holdings: readonly Holding[], callers: Callers) {
    this.#limits = limits
    for (const { language, rows, waiting, bytes } of holdings) {
      this.#rows.set(language, rows)
      this.#waiting.set(language, waiting)
      this.#bytes += bytes
    }
    for (const { caller, rows } of callers) this.#ofCaller.set(caller, rows)
  }

  fits(language: string, bytes: number): boolean {
    return (this.#rows.get(language) ?? 0) < this.#limits.length && this.#bytes + bytes <= this.#limits.bytes
  }

  waiting(language: string): number {
    return this.#waiting.get(language) ?? 0
  }

  /** Executions of a caller that have not ended. */
  of(caller: string): number {
    return this.#ofCaller.get(caller) ?? 0
  }

  add(language: string, bytes: number, caller?: string): void {
    change(this.#rows, language, 1)
    if (caller !== undefined) change(this.#ofCaller, caller, 1)
    this.#bytes += bytes
  }

  remove(language: string, bytes: number, caller?: string): void {
    change(this.#rows, language, -1)
    if (caller !== undefined) change(this.#ofCaller, caller, -1)
    this.#bytes -= bytes
  }

  changeWaiting(language: string, by: number): void {
    change(this.#waiting, language, by)
  }
}

function change(counts: Map<string, number>, language: string, by: number): void {
  counts.set(language, (counts.get(language) ?? 0) + by)
}
