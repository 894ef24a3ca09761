import type { DatabaseSync } from 'node:sqlite'
import { toError } from '../core/errors.ts'

interface Write {
  act(): unknown
  done(value: unknown): void
  failed(error: Error): void
}

interface Outcome {
  write: Write
  value?: unknown
  error?: Error
}

/** How long one transaction may keep the event loop: requests that only wait for memory must not notice it. */
const TURN_MS = 4

/**
 * Writes that arrive in one turn of the event loop share one transaction: a commit costs more than the statement in it.
 * A promise from `submit` resolves when its write is committed, so a caller may tell the world.
 */
export class WriteGroup {
  readonly #database: DatabaseSync
  readonly #monotonic: () => number
  #waiting: Write[] = []
  #planned = false

  /** @param monotonic milliseconds that never go back */
  constructor(database: DatabaseSync, monotonic: () => number) {
    this.#database = database
    this.#monotonic = monotonic
  }

  /** @param act one statement: when it throws, only its own promise rejects. */
  submit<Value>(act: () => Value): Promise<Value> {
    return new Promise<Value>((resolve, reject) => {
      this.#waiting.push({ act, done: (value) => resolve(value as Value), failed: reject })
      this.#plan()
    })
  }

  /** Commits all that waits, now: before the database is closed. */
  flush(): void {
    while (this.#waiting.length > 0) this.#turn()
  }

  #plan(): void {
    if (this.#planned || this.#waiting.length === 0) return
    this.#planned = true
    setImmediate(() => {
      this.#planned = false
      this.#turn()
      this.#plan()
    })
  }

  #turn(): void {
    const outcomes: Outcome[] = []
    try {
      if (this.#waiting.length === 0) return
      this.#database.exec('BEGIN IMMEDIATE')
      this.#actAll(outcomes)
      this.#database.exec('COMMIT')
    } catch (thrown) {
      this.#giveUp(outcomes, toError(thrown))
      return
    }
    for (const { write, value, error } of outcomes) error ? write.failed(error) : write.done(value)
  }

  #actAll(outcomes: Outcome[]): void {
    const end = this.#monotonic() + TURN_MS
    do {
      const write = this.#waiting.shift()
      if (!write) return
      try {
        outcomes.push({ write, value: write.act() })
      } catch (thrown) {
        outcomes.push({ write, error: toError(thrown) })
      }
    } while (this.#monotonic() < end)
  }

  /** The transaction failed as a whole (disk full): all of it is undone. When it could not even begin, what waits would fail the same way. */
  #giveUp(outcomes: Outcome[], error: Error): void {
    if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec('ROLLBACK')
    const lost = outcomes.length > 0 ? outcomes.map(({ write }) => write) : this.#waiting.splice(0)
    for (const write of lost) write.failed(error)
  }
}
