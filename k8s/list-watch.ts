/**
 * Follows a collection of objects: lists it, then watches it, for ever. Our own, because the informer of @kubernetes/client-node stops on errors, asks for no
 * bookmarks (so that each cut costs a whole list) and keeps every object whole in memory. Here:
 * - a list is paged; objects go to the handler one by one and are not kept: this holds their names only;
 * - a watch goes on from the last resourceVersion it saw, bookmarks included; 410 Gone (as an answer or as an event) means listing again, and objects
 *   that vanished meanwhile are removed then;
 * - a watch that says nothing for longer than the bookmarks' pace is dead, however open its connection looks;
 * - trouble is waited out with exponential backoff and jitter, or as long as Retry-After says.
 */
import { toError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { type Clock, systemClock } from '../core/time.ts'
import type { KubeHttp, KubeRequest } from './http.ts'
import { KubeError, type StatusBody } from './kube-error.ts'
import { type WatchEvent, WatchLines } from './watch-lines.ts'

export interface Named {
  metadata?: { name?: string; resourceVersion?: string }
}

/** What becomes of the objects. Called in order, never concurrently; must not throw. */
export interface Handler<Item> {
  /** It is there, new or changed. */
  upsert(name: string, item: Item): void
  /** It is gone, or no longer matches the selector. */
  remove(name: string): void
  /** A whole list has been delivered; again after each list. */
  synced?(): void
}

export interface ListWatchOptions<Item> {
  http: Pick<KubeHttp, 'call' | 'open'>
  /** `/apis/batch/v1/namespaces/NAME/jobs` */
  path: string
  labelSelector?: string
  fieldSelector?: string
  /** Only metadata: half the bytes for a Job, as its spec and status stay behind. */
  metadataOnly?: boolean
  handler: Handler<Item>
  log: Log
  /** Told when a watch broke and is begun anew. */
  onRestart?: ((cause: 'silent' | 'gone' | 'failed') => void) | undefined
  clock?: Pick<Clock, 'sleep' | 'monotonic'>
  /** Objects in one answer to a list. */
  pageSize?: number
  /** Silence after which a watch is dead. kube-apiserver sends a bookmark about every minute. */
  silenceMs?: number
}

interface Page<Item> {
  metadata: { resourceVersion?: string; continue?: string }
  /** null, not empty, where only metadata was asked for. */
  items: Item[] | null
}

const METADATA_ONLY = (kind: 'List' | '') =>
  `application/json;as=PartialObjectMetadata${kind};g=meta.k8s.io;v=v1,application/json`
/** A record can have 96 KiB: a page of 100 stays below 10 MiB. */
const PAGE_SIZE = 100
const SILENCE_MS = 90_000
/** How long the server keeps a watch; jitter keeps replicas from coming back at the same moment. */
const WATCH_SECONDS = 300
/** At most: for so long after an API server is back nothing is seen; one small request in that time is nothing to it. */
const BACKOFF_MS = { first: 250, most: 8_000 }
const LIST_TIMEOUT_MS = 60_000

export class ListWatch<Item extends Named> implements AsyncDisposable {
  readonly #options: ListWatchOptions<Item>
  readonly #clock: Pick<Clock, 'sleep' | 'monotonic'>
  readonly #stop = new AbortController()
  readonly #done: Promise<void>
  readonly #firstSync = Promise.withResolvers<void>()
  #names = new Set<string>()
  #version: string | undefined
  #synced = false
  #failures = 0
  /** The watch that is open, and when it was last heard. */
  #open: { heardAt: number; end: AbortController } | undefined

  constructor(options: ListWatchOptions<Item>) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#done = this.#follow()
  }

  /** Whether a whole list has been delivered since the start. */
  get synced(): boolean {
    return this.#synced
  }

  /** Resolves when the first list has been delivered; never when disposed of before. */
  get firstSync(): Promise<void> {
    return this.#firstSync.promise
  }

  /** For who misses what should have been seen by now: a watch that said nothing for `milliseconds` is begun anew, from where it was. */
  doubt(milliseconds: number): void {
    if (this.#open && this.#clock.monotonic() - this.#open.heardAt >= milliseconds) this.#open.end.abort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#done
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        if (this.#version === undefined) await this.#list()
        await this.#watch()
      } catch (error) {
        if (!signal.aborted) await this.#recover(error)
      }
    }
  }

  async #list(): Promise<void> {
    const seen = new Set<string>()
    let page: Page<Item>
    let next: string | undefined
    do {
      page = await this.#options.http.call<Page<Item>>(this.#request('List', next))
      for (const item of page.items ?? []) this.#upsert(item, seen)
      next = page.metadata.continue || undefined
    } while (next !== undefined)
    for (const name of this.#names) if (!seen.has(name)) this.#options.handler.remove(name)
    this.#names = seen
    this.#version = page.metadata.resourceVersion ?? ''
    this.#failures = 0
    this.#synced = true
    this.#options.handler.synced?.()
    this.#firstSync.resolve()
  }

  #request(kind: 'List' | '', next?: string): KubeRequest {
    const { path, labelSelector, fieldSelector, metadataOnly, pageSize } = this.#options
    return {
      path,
      query: {
        labelSelector,
        fieldSelector,
        ...(kind === 'List'
          ? { limit: pageSize ?? PAGE_SIZE, continue: next }
          : {
              watch: true,
              allowWatchBookmarks: true,
              resourceVersion: this.#version,
              timeoutSeconds: Math.round(WATCH_SECONDS * (0.8 + 0.2 * Math.random())),
            }),
      },
      ...(metadataOnly && { accept: METADATA_ONLY(kind) }),
      signal: this.#stop.signal,
      ...(kind === 'List' && { timeoutMs: LIST_TIMEOUT_MS }),
    }
  }

  async #watch(): Promise<void> {
    const dead = new AbortController()
    const signal = AbortSignal.any([this.#stop.signal, dead.signal])
    const body = await this.#options.http.open({ ...this.#request(''), signal })
    const silence = this.#options.silenceMs ?? SILENCE_MS
    const timer = setTimeout(() => dead.abort(), silence)
    const started = this.#clock.monotonic()
    const open = { heardAt: started, end: dead }
    this.#open = open
    const lines = new WatchLines()
    try {
      for await (const chunk of body) {
        timer.refresh()
        open.heardAt = this.#clock.monotonic()
        for (const event of lines.push(chunk as Buffer)) this.#apply(event)
      }
    } catch (error) {
      if (!dead.signal.aborted) throw error
      this.#options.onRestart?.('silent')
      this.#options.log.warn(
        { path: this.#options.path, silenceMs: this.#clock.monotonic() - open.heardAt },
        'a watch went silent: opening a new one',
      )
    } finally {
      this.#open = undefined
      clearTimeout(timer)
      body.destroy()
    }
    // A server that ends every watch at once must not be asked in a tight loop.
    if (this.#clock.monotonic() - started < 1000) await this.#pause()
  }

  #apply({ type, object }: WatchEvent): void {
    if (type === 'ERROR') throw KubeError.fromEvent(object as StatusBody)
    const item = object as Item
    const name = item.metadata?.name
    if (type === 'DELETED' && name !== undefined) {
      this.#names.delete(name)
      this.#options.handler.remove(name)
    } else if (type === 'ADDED' || type === 'MODIFIED') {
      this.#upsert(item, this.#names)
    }
    this.#version = item.metadata?.resourceVersion ?? this.#version
    this.#failures = 0
  }

  #upsert(item: Item, names: Set<string>): void {
    const name = item.metadata?.name
    if (name === undefined) return
    names.add(name)
    this.#options.handler.upsert(name, item)
  }

  async #recover(thrown: unknown): Promise<void> {
    const error = toError(thrown)
    const fields = { path: this.#options.path, error: error.message }
    // What was listed is too old to go on from, or a page's token is: list anew, at once.
    if (error instanceof KubeError && error.status === 410) {
      this.#version = undefined
      this.#options.onRestart?.('gone')
      this.#options.log.info(fields, 'a watch cannot go on from where it was: listing again')
      if (this.#failures++ === 0) return
    } else {
      this.#options.onRestart?.('failed')
      this.#options.log.warn(fields, 'a list or watch failed: trying again')
    }
    await this.#pause(error instanceof KubeError ? error.retryAfterMs : undefined)
  }

  async #pause(atLeastMs = 0): Promise<void> {
    const bound = Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** Math.min(this.#failures, 10))
    this.#failures += 1
    const wait = Math.max(atLeastMs, bound * (0.5 + Math.random() / 2))
    await this.#clock.sleep(wait, this.#stop.signal).catch(() => {})
  }
}
