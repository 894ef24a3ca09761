/**
 * Group commit: the records of executions that share a Job. One write holds all that finished since the last one, so that executions cost a small part of a write
 * each. They are patched onto their Job, and when that has its share of bytes onto Jobs that hold records only, one after the other (docs/adr/0008): every patch sends
 * the whole object to everybody who watches, so an object that takes many patches must stay small.
 */

import { AppError, toError } from '../core/errors.ts'
import type { ExecutionRecord } from '../core/execution.ts'
import type { Log } from '../core/log.ts'
import { type Clock, NOT_NEEDED } from '../core/time.ts'
import type { HeldJob } from './held-job.ts'
import { buildRecordJob } from './job-spec.ts'
import type { Jobs } from './jobs.ts'
import { isAlreadyExists, KubeError } from './kube-error.ts'
import { LABEL } from './labels.ts'
import { encodeRecord, executionLabel, type MetadataPatch, recordKey } from './record.ts'
import { retrying } from './retry.ts'
import { RunningMarks } from './running-marks.ts'

export interface RecordGroupOptions {
  /** The Job that the executions run on. */
  job: HeldJob
  /** Of its namespace. */
  jobs: Jobs
  retentionSeconds: number
  /** Of one record. */
  recordBytes: number
  /** How long a write is tried again. */
  budgetMs: number
  clock: Clock
  log: Log
}

interface Writing {
  /** Asked right before each attempt to write. */
  mayWrite: () => boolean
  /** Nobody waits for it. */
  unhurried?: boolean | undefined
}

interface Entry extends Writing {
  record: ExecutionRecord
  text: string
  done: PromiseWithResolvers<boolean>
}

/** A Job that takes records: the one that the executions run on, or one that was made for records. */
interface Page {
  name: string
  exists: boolean
  madeAt: number
  bytes: number
  executions: number
  succeeded: number
}

/**
 * From the beginning of one write to that of the next: a lone record is written at once, and under load one write holds what ended meanwhile. A patch is 6 to 30
 * CPU-ms of the API server, as much as an execution itself or more (docs/adr/0008): so the fewer records there were in the last one, the longer the next one waits.
 */
const SPACING_MS = 100
const LONGEST_SPACING_MS = 250
/** Records that make a patch worth its price. */
const ENOUGH = 8
/** Where nobody waits for any of them: a record is what a second attempt and those who look later find. Not longer, as a runner that dies then runs them again. */
const UNHURRIED_MS = 1_000
/** So many of them do not wait for that. */
const PLENTY = 24
/** Of one Job's records. Each patch costs the API server, etcd and every watcher in proportion to what is there already. */
export const PAGE_BYTES = 48 * 1024
/** The time of a Job that only holds records begins to run at once, so it takes none for longer. */
const PAGE_AGE_MS = 60_000
/** What a label with an execution's status takes. */
const LABEL_BYTES = 90

export class RecordGroup {
  readonly #options: RecordGroupOptions
  readonly #marks: RunningMarks
  #pending: Entry[] = []
  #page: Page
  #pages = 0
  #writing = false
  #more = new AbortController()
  /** When the last write began, and how many records it had. */
  #last = { at: Number.NEGATIVE_INFINITY, records: 0 }

  constructor(options: RecordGroupOptions) {
    this.#options = options
    this.#marks = new RunningMarks(options)
    const madeAt = Number.POSITIVE_INFINITY
    this.#page = { name: options.job.name, exists: true, madeAt, bytes: 0, executions: 0, succeeded: 0 }
  }

  /**
   * Writes a record together with others. False when it has to be kept elsewhere: it may not be written here any more, or the cluster does not take it here.
   * @throws AppError store_unavailable
   */
  async add(record: ExecutionRecord, writing: Writing): Promise<boolean> {
    this.#options.job.holdsRecord = true
    const text = encodeRecord(record, this.#options.recordBytes)
    const entry = { ...writing, record, text, done: Promise.withResolvers<boolean>() }
    this.#pending.push(entry)
    this.#more.abort(NOT_NEEDED)
    void this.#writeAll()
    try {
      return await entry.done.promise
    } finally {
      this.#marks.clear(record.id, false)
    }
  }

  /** Says on the Job that an execution runs, unless it ends soon. */
  mark(id: string): void {
    this.#marks.set(id)
  }

  async #writeAll(): Promise<void> {
    if (this.#writing) return
    this.#writing = true
    while (this.#pending.length > 0) {
      await this.#untilDue()
      const entries = this.#take()
      this.#last = { at: this.#options.clock.monotonic(), records: entries.length }
      await this.#write(entries)
      // A page was full: the rest has waited already.
      if (this.#pending.length > 0 && this.#page.bytes >= PAGE_BYTES) this.#last.at = Number.NEGATIVE_INFINITY
    }
    this.#writing = false
  }

  /** Waits for the time to write what is pending; what comes meanwhile may bring that forward. */
  async #untilDue(): Promise<void> {
    const { clock } = this.#options
    for (;;) {
      const wait = this.#last.at + this.#spacing() - clock.monotonic()
      if (wait <= 0) return
      this.#more = new AbortController()
      await clock.sleep(wait, this.#more.signal).catch(() => {})
    }
  }

  #spacing(): number {
    if (this.#pending.every(({ unhurried }) => unhurried))
      return this.#pending.length < PLENTY ? UNHURRIED_MS : SPACING_MS
    return Math.max(SPACING_MS, Math.min(LONGEST_SPACING_MS, (SPACING_MS * ENOUGH) / this.#last.records))
  }

  /** What fits into the page, or into a new one. At least one, whatever its size: a Job holds 256 KiB, a record by itself less. */
  #take(): Entry[] {
    const { clock } = this.#options
    const [first] = this.#pending
    const isOld = clock.monotonic() - this.#page.madeAt > PAGE_AGE_MS
    if (first && (isOld || (this.#page.executions > 0 && this.#page.bytes + sizeOf(first) > PAGE_BYTES))) this.#turn()
    let bytes = this.#page.bytes
    const end = this.#pending.findIndex((entry, index) => {
      bytes += sizeOf(entry)
      return index > 0 && bytes > PAGE_BYTES
    })
    return this.#pending.splice(0, end === -1 ? this.#pending.length : end)
  }

  #turn(): void {
    const { job, clock } = this.#options
    this.#pages += 1
    const name = `${job.name}-records-${this.#pages}`
    this.#page = { name, exists: false, madeAt: clock.monotonic(), bytes: 0, executions: 0, succeeded: 0 }
  }

  /** Never throws: every entry hears what became of it. */
  async #write(entries: Entry[]): Promise<void> {
    try {
      const written = await this.#tryWrite(entries).catch((error: unknown) => {
        if (!(error instanceof KubeError) || error.passing || !this.#page.exists) throw error
        // The Job is gone, or takes no more.
        this.#turn()
        return this.#tryWrite(entries)
      })
      for (const entry of entries) entry.done.resolve(written.has(entry))
    } catch (error) {
      const fields = { job: this.#page.name, records: entries.length, error: toError(error).message }
      const refused = error instanceof KubeError && !error.passing
      if (refused) this.#options.log.warn(fields, 'a Job did not take its records: they get Jobs of their own')
      for (const { done } of entries) {
        if (refused) done.resolve(false)
        else done.reject(new AppError('store_unavailable', undefined, { cause: error }))
      }
    }
  }

  async #tryWrite(entries: readonly Entry[]): Promise<ReadonlySet<Entry>> {
    const { clock, budgetMs, job } = this.#options
    let writing: Entry[] = []
    const attempt = async (count: number) => {
      writing = entries.filter(({ mayWrite }) => mayWrite())
      if (writing.length > 0) await this.#send(writing, count)
      for (const { record } of writing) this.#marks.clear(record.id, this.#page.name === job.name)
    }
    await job.inOrder(() => retrying(attempt, { clock, budgetMs }))
    for (const entry of writing) this.#page.bytes += sizeOf(entry)
    this.#page.executions += writing.length
    this.#page.succeeded += succeededOf(writing)
    return new Set(writing)
  }

  async #send(writing: readonly Entry[], attempt: number): Promise<void> {
    const { jobs, job, retentionSeconds } = this.#options
    const patch = this.#patchOf(writing)
    if (this.#page.exists) return await jobs.patch(this.#page.name, patch)
    const { name } = this.#page
    const labels = { ...patch.metadata.labels, [LABEL.state]: 'finished', [LABEL.ranOn]: job.name }
    const language = writing[0]?.record.language ?? ''
    try {
      await jobs.create(buildRecordJob(name, language, retentionSeconds, { ...patch.metadata, labels }))
    } catch (error) {
      // The answer to an earlier attempt was lost; what may be written was more then, or the same.
      if (!(attempt > 1 && isAlreadyExists(error))) throw error
      await jobs.patch(name, patch)
    }
    this.#page.exists = true
  }

  #patchOf(writing: readonly Entry[]): MetadataPatch {
    const executions = this.#page.executions + writing.length
    const succeeded = this.#page.succeeded + succeededOf(writing)
    const labels: Record<string, string> = {
      [LABEL.executions]: String(executions),
      [LABEL.succeeded]: String(succeeded),
      [LABEL.unsuccessful]: String(executions - succeeded),
    }
    const annotations: Record<string, string> = {}
    for (const { record, text } of writing) {
      labels[executionLabel(record.id)] = record.result.status
      annotations[recordKey(record.id)] = text
    }
    return { metadata: { labels, annotations } }
  }
}

function sizeOf({ record, text }: Entry): number {
  return recordKey(record.id).length + Buffer.byteLength(text) + LABEL_BYTES
}

function succeededOf(entries: readonly Entry[]): number {
  return entries.filter(({ record }) => record.result.status === 'succeeded').length
}
