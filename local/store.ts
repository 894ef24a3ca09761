import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { AppError, toError } from '../core/errors.ts'
import type { ExecutionRecord } from '../core/execution.ts'
import type { Log } from '../core/log.ts'
import type { Lookup, Recorder, Records } from '../core/ports.ts'
import type { Clock } from '../core/time.ts'
import { newerRecord, readRecord } from '../core/versions.ts'
import type { WriteGroup } from './write-group.ts'

export interface LocalStoreOptions {
  database: DatabaseSync
  writes: WriteGroup
  log: Log
  clock: Clock
  /** Records older than this are removed. */
  retentionMs: number
}

/** Between two looks for records that are too old. */
const SWEEP_MS = 60_000

/** Removed in one statement: about 1 ms, the event loop is not ours alone. */
const SWEEP_ROWS = 100

/** ExecutionStore of the embedded mode: records as rows, what is running and who waits for it in memory. */
export class LocalStore implements Recorder, Records, AsyncDisposable {
  readonly #options: LocalStoreOptions
  readonly #exists: StatementSync
  readonly #select: StatementSync
  readonly #insert: StatementSync
  readonly #expire: StatementSync
  readonly #running = new Set<string>()
  readonly #waiters = new Map<string, Set<() => void>>()
  readonly #stopping = new AbortController()
  readonly #sweeping: Promise<void>

  constructor(options: LocalStoreOptions) {
    this.#options = options
    const { database } = options
    this.#exists = database.prepare('SELECT 1 FROM records WHERE id = ?')
    this.#select = database.prepare('SELECT record FROM records WHERE id = ?')
    this.#insert = database.prepare(
      'INSERT INTO records (id, finished_at, record) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING',
    )
    this.#expire = database.prepare(
      'DELETE FROM records WHERE id IN (SELECT id FROM records WHERE finished_at < ? ORDER BY finished_at LIMIT ?)',
    )
    this.#sweeping = this.#sweep()
  }

  /** One process has the file, so no attempt but its own can run. */
  async takeOver(id: string): Promise<boolean> {
    return this.#exists.get(id) !== undefined
  }

  async markRunning(id: string): Promise<void> {
    this.#running.add(id)
  }

  /** Resolves when the record is in the file. */
  async record(record: ExecutionRecord): Promise<void> {
    const { id, finishedAt } = record
    const json = JSON.stringify(record)
    try {
      await this.#options.writes.submit(() => this.#insert.run(id, finishedAt, json))
    } catch (cause) {
      throw new AppError('store_unavailable', undefined, { cause })
    } finally {
      this.#running.delete(id)
    }
    for (const wake of this.#waiters.get(id) ?? []) wake()
  }

  async find(id: string, waitMs: number, signal?: AbortSignal): Promise<Lookup> {
    const now = this.#look(id)
    if (now.status === 'final' || waitMs <= 0) return now
    await this.#ended(id, waitMs, signal)
    return this.#look(id)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    await this.#sweeping
  }

  #look(id: string): Lookup {
    const row = this.#select.get(id)
    if (!row) return { status: this.#running.has(id) ? 'running' : 'queued' }
    const reading = readRecord(JSON.parse(String(row.record)))
    if ('value' in reading) return { status: 'final', record: reading.value }
    if ('fault' in reading) throw reading.fault
    throw newerRecord()
  }

  /** Resolves when the record is there, the time is over, the caller is gone, or we stop. */
  async #ended(id: string, waitMs: number, signal?: AbortSignal): Promise<void> {
    const woken = new AbortController()
    const wake = () => woken.abort()
    const waiters = this.#waiters.get(id) ?? new Set()
    this.#waiters.set(id, waiters.add(wake))
    const ends = [woken.signal, this.#stopping.signal, ...(signal ? [signal] : [])]
    await this.#options.clock.sleep(waitMs, AbortSignal.any(ends)).catch(() => {})
    waiters.delete(wake)
    if (waiters.size === 0) this.#waiters.delete(id)
  }

  async #sweep(): Promise<void> {
    const { clock, log, retentionMs } = this.#options
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        const removed = await this.#removeOlderThan(clock.now() - retentionMs)
        if (removed > 0) log.info({ removed }, 'Removed records that are older than the retention time')
      } catch (thrown) {
        log.error({ err: toError(thrown) }, 'Old records could not be removed')
      }
      await clock.sleep(SWEEP_MS, signal).catch(() => {})
    }
  }

  async #removeOlderThan(before: number): Promise<number> {
    let removed = 0
    for (let rows = SWEEP_ROWS; rows === SWEEP_ROWS && !this.#stopping.signal.aborted; removed += rows)
      rows = await this.#options.writes.submit(() => Number(this.#expire.run(before, SWEEP_ROWS).changes))
    return removed
  }
}
