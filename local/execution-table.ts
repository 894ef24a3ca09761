import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Envelope } from '../core/execution.ts'

/** `waiting` to be handed out, `out` with the runner, `dead`: given up, waiting for its end to be recorded. */
export type RowState = 'waiting' | 'out' | 'dead'

export interface Row {
  sequence: number
  id: string
  attempts: number
  /** JSON as it was stored. */
  envelope: string
}

/** What is held, by language: rows of every state, and those that wait. */
export interface Holding {
  language: string
  rows: number
  waiting: number
  bytes: number
}

/** The queue's table: SQL and nothing else. Every method is one statement. */
export class ExecutionTable {
  readonly #insert: StatementSync
  readonly #take: StatementSync
  readonly #takeDead: StatementSync
  readonly #setState: StatementSync
  readonly #giveBack: StatementSync
  readonly #forgetAttempt: StatementSync
  readonly #remove: StatementSync
  readonly #holdings: StatementSync
  readonly #callers: StatementSync
  readonly #exists: StatementSync

  /** Rows that were with the runner of a process that is gone become `waiting` again, or `dead` when they had all their attempts. */
  constructor(database: DatabaseSync, deliveryLimit: number) {
    database
      .prepare(`UPDATE executions SET state = iif(attempts >= ?, 'dead', 'waiting') WHERE state = 'out'`)
      .run(deliveryLimit)
    this.#insert = database.prepare(
      'INSERT INTO executions (id, language, state, attempts, envelope) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING',
    )
    this.#take = database.prepare(
      `UPDATE executions SET state = 'out', attempts = attempts + 1
       WHERE sequence IN (SELECT sequence FROM executions WHERE language = ? AND state = 'waiting' ORDER BY sequence LIMIT ?)
       RETURNING sequence, id, attempts, envelope`,
    )
    this.#takeDead = database.prepare(
      `SELECT sequence, id, attempts, envelope FROM executions WHERE state = 'dead' AND sequence > ? ORDER BY sequence LIMIT 1`,
    )
    this.#setState = database.prepare('UPDATE executions SET state = ? WHERE id = ?')
    this.#giveBack = database.prepare(`UPDATE executions SET state = 'waiting', attempts = attempts - 1 WHERE id = ?`)
    this.#forgetAttempt = database.prepare('UPDATE executions SET attempts = attempts - 1 WHERE id = ?')
    this.#remove = database.prepare('DELETE FROM executions WHERE id = ?')
    this.#holdings = database.prepare(
      `SELECT language, count(*) AS rows, count(*) FILTER (WHERE state = 'waiting') AS waiting, total(octet_length(envelope)) AS bytes
       FROM executions GROUP BY language`,
    )
    this.#exists = database.prepare('SELECT 1 FROM executions WHERE id = ?')
    this.#callers = database.prepare(
      `SELECT json_extract(envelope, '$.caller') AS caller, count(*) AS rows FROM executions
       WHERE json_valid(envelope) GROUP BY 1 HAVING caller IS NOT NULL`,
    )
  }

  /** @returns false when the id is there already: the same execution was handed over twice, and once is enough. */
  insert({ id, program }: Envelope, json: string, state: RowState, attempts: number): boolean {
    return this.#insert.run(id, program.language, state, attempts, json).changes === 1
  }

  /** Hands out the oldest that wait, and counts the attempt. */
  take(language: string, count: number): Row[] {
    const rows = this.#take.all(language, count) as unknown as Row[]
    return rows.sort((a, b) => a.sequence - b.sequence)
  }

  /** The oldest that was given up, after the row `sequence`; it stays until it is removed. */
  nextDead(sequence: number): Row | undefined {
    return this.#takeDead.get(sequence) as Row | undefined
  }

  setState(id: string, state: RowState): void {
    this.#setState.run(state, id)
  }

  /** Takes the attempt back that never was one. */
  giveBack(id: string): void {
    this.#giveBack.run(id)
  }

  /** The same, and nobody gets it until the next start. */
  forgetAttempt(id: string): void {
    this.#forgetAttempt.run(id)
  }

  remove(id: string): void {
    this.#remove.run(id)
  }

  has(id: string): boolean {
    return this.#exists.get(id) !== undefined
  }

  holdings(): Holding[] {
    return this.#holdings.all() as unknown as Holding[]
  }

  /** How many rows each caller has. Reads all envelopes: for the start only. */
  callers(): { caller: string; rows: number }[] {
    return this.#callers.all() as unknown as { caller: string; rows: number }[]
  }
}
