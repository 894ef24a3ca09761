/**
 * The records of all executions, as an API replica knows them: an index kept by a list-watch of Jobs (metadata only), bodies in a cache of bounded bytes, a miss
 * is one GET. Nothing is kept anywhere else: after a restart the list says it all again. Memory grows with the Jobs that exist, not with their output.
 */
import { LRUCache } from 'lru-cache'
import { AppError } from '../core/errors.ts'
import type { ExecutionRecord } from '../core/execution.ts'
import type { Log } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Lookup, Records } from '../core/ports.ts'
import { newerRecord } from '../core/versions.ts'
import type { KubeHttp } from './http.ts'
import { type JobMetadata, Jobs } from './jobs.ts'
import { LABEL } from './labels.ts'
import { ListWatch, type ListWatchOptions } from './list-watch.ts'
import { decodeRecord, isNewerRecord, recordKey, recordTexts, runningIds } from './record.ts'
import type { ApiKubernetesConfig } from './settings.ts'
import { Waiters } from './waiters.ts'

export interface RecordsOptions {
  http: Pick<KubeHttp, 'call' | 'open'>
  config: Pick<ApiKubernetesConfig, 'NAMESPACE' | 'NESTED_NAMESPACE' | 'RECORD_CACHE_BYTES'>
  log: Log
  metrics?: Metrics
  /** For tests: how the watch is made. */
  watch?: Partial<Pick<ListWatchOptions<JobMetadata>, 'clock' | 'pageSize' | 'silenceMs'>>
  /** For tests: silence of a watch that is too long where somebody waits, in milliseconds. */
  doubtMs?: number
}

/** Jobs of a namespace that hold records. */
interface Source {
  jobs: Jobs
  watch: ListWatch<JobMetadata>
  idsOfJob: Map<string, string[]>
}

/** What is known of one execution: the Job that says it, and whether that is its end. */
interface Entry {
  source: Source
  job: string
  final: boolean
}

/** A body, as its text until somebody asks for it: most are never read on this replica. */
type Body = { text: string } | { record: ExecutionRecord }

/** Silence of a watch that is too long where somebody waits for a record. */
const DOUBT_MS = 10_000
/** Of records that were removed, so that their ids are not called queued again. 48 characters each: some MiB. */
const REMEMBERED_REMOVALS = 50_000
/** An entry of the cache costs some memory beside its text. */
const ENTRY_BYTES = 400

export interface WatchedRecords extends Records, AsyncDisposable {
  /** Whether everything that was recorded before this start is known: readiness. */
  readonly synced: boolean
}

/** Starts watching at once. */
export function watchRecords(options: RecordsOptions): WatchedRecords {
  return new JobRecords(options)
}

class JobRecords implements WatchedRecords {
  readonly #options: RecordsOptions
  readonly #sources: readonly Source[]
  readonly #index = new Map<string, Entry>()
  readonly #bodies: LRUCache<string, Body, Entry>
  readonly #removed = new LRUCache<string, true>({ max: REMEMBERED_REMOVALS })
  readonly #waiters = new Waiters()

  constructor(options: RecordsOptions) {
    this.#options = options
    this.#bodies = new LRUCache<string, Body, Entry>({
      maxSize: options.config.RECORD_CACHE_BYTES,
      sizeCalculation: (body) => ENTRY_BYTES + sizeOf(body),
      fetchMethod: async (id, _stale, { context }) => await this.#read(id, context),
    })
    const { NAMESPACE, NESTED_NAMESPACE } = options.config
    this.#sources = [this.#follow(NAMESPACE, LABEL.executionId)]
    if (NESTED_NAMESPACE !== undefined)
      this.#sources = [...this.#sources, this.#follow(NESTED_NAMESPACE, LABEL.executions)]
  }

  get synced(): boolean {
    return this.#sources.every(({ watch }) => watch.synced)
  }

  async find(id: string, waitMs: number, signal?: AbortSignal): Promise<Lookup> {
    if (!this.synced) throw new AppError('store_unavailable', 'The results are still being read')
    if (waitMs > 0 && !this.#index.get(id)?.final && !this.#removed.has(id)) await this.#wait(id, waitMs, signal)
    const entry = this.#index.get(id)
    if (entry?.final) return { status: 'final', record: await this.#body(id, entry) }
    if (entry) return { status: 'running' }
    if (this.#removed.has(id)) throw new AppError('execution_expired')
    return { status: 'queued' }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#sources.map(({ watch }) => watch[Symbol.asyncDispose]()))
    this.#waiters.releaseAll()
  }

  /** Where somebody waited in vain for long, and nothing was heard of all that time, the watch is begun anew: one request for what could be a minute's delay. */
  async #wait(id: string, waitMs: number, signal?: AbortSignal): Promise<void> {
    await this.#waiters.wait(id, waitMs, signal)
    const { doubtMs = DOUBT_MS } = this.#options
    if (waitMs < doubtMs || this.#index.get(id)?.final) return
    for (const { watch } of this.#sources) watch.doubt(doubtMs)
  }

  #follow(namespace: string, labelSelector: string): Source {
    const jobs = new Jobs(this.#options.http, namespace)
    const watch = new ListWatch<JobMetadata>({
      ...this.#options.watch,
      http: this.#options.http,
      path: jobs.path,
      labelSelector,
      metadataOnly: true,
      onRestart: (cause) => this.#options.metrics?.add('runlet_watch_restarts_total', { cause }),
      log: this.#options.log,
      handler: {
        upsert: (name, { metadata }) => this.#upsert(source, name, metadata),
        remove: (name) => this.#remove(source, name),
        synced: () => this.#measure(),
      },
    })
    const source: Source = { jobs, watch, idsOfJob: new Map() }
    return source
  }

  async #body(id: string, entry: Entry): Promise<ExecutionRecord> {
    let body: Body | undefined
    try {
      body = this.#bodies.get(id) ?? (await this.#bodies.fetch(id, { context: entry }))
    } catch (error) {
      throw new AppError('store_unavailable', undefined, { cause: error })
    }
    const record = body && ('record' in body ? body.record : this.#decode(id, body.text))
    if (!record) throw new AppError('execution_expired')
    return record
  }

  /**
   * Undefined, and thereby expired, when somebody edited it away.
   * @throws AppError store_unavailable for one that waits for a newer Runlet
   */
  #decode(id: string, text: string): ExecutionRecord | undefined {
    const record = decodeRecord(id, text)
    if (!record && isNewerRecord(text)) throw newerRecord()
    if (!record) this.#options.log.warn({ id }, 'a record cannot be read: its annotation was edited')
    // Its size is counted by its text still: parsing does not change it much.
    else this.#bodies.set(id, { record }, { size: ENTRY_BYTES + text.length })
    return record
  }

  async #read(id: string, { source, job }: Entry): Promise<Body | undefined> {
    const found = await source.jobs.get(job)
    const text = found?.metadata.annotations?.[recordKey(id)]
    return text === undefined ? undefined : { text }
  }

  /** The first record of an id stays: what was read once does not change, whatever happens to the annotation. */
  #upsert(source: Source, job: string, metadata: JobMetadata['metadata']): void {
    for (const id of runningIds(metadata)) {
      if (!this.#index.has(id)) this.#add(id, { source, job, final: false })
    }
    for (const [id, text] of recordTexts(metadata)) {
      if (this.#index.get(id)?.final) continue
      this.#add(id, { source, job, final: true })
      this.#bodies.set(id, { text })
      this.#waiters.release(id)
      if (this.synced) this.#measureLag(text)
    }
    this.#measure()
  }

  #add(id: string, entry: Entry): void {
    this.#index.set(id, entry)
    const ids = entry.source.idsOfJob.get(entry.job)
    if (!ids) entry.source.idsOfJob.set(entry.job, [id])
    else if (!ids.includes(id)) ids.push(id)
  }

  #remove(source: Source, job: string): void {
    for (const id of source.idsOfJob.get(job) ?? []) {
      const entry = this.#index.get(id)
      if (entry?.source !== source || entry.job !== job) continue
      this.#index.delete(id)
      this.#bodies.delete(id)
      if (entry.final) this.#removed.set(id, true)
    }
    source.idsOfJob.delete(job)
    this.#measure()
  }

  /** Without parsing what perhaps nobody will ever read: our own JSON says it in these words, before any output. */
  #measureLag(text: string): void {
    const finishedAt = Number(/"finishedAt":(\d+)/.exec(text.slice(0, 400))?.[1])
    if (Number.isNaN(finishedAt)) return
    this.#options.metrics?.observe('runlet_watch_lag_seconds', {}, Math.max(0, Date.now() - finishedAt) / 1000)
  }

  #measure(): void {
    this.#options.metrics?.set('runlet_records_indexed', {}, this.#index.size)
    this.#options.metrics?.set('runlet_record_cache_bytes', {}, this.#bodies.calculatedSize)
  }
}

function sizeOf(body: Body): number {
  return 'text' in body ? body.text.length : body.record.result.stdout.length + body.record.result.stderr.length
}
