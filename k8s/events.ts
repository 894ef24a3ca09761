/**
 * Events: what `kubectl describe job` and `kubectl get events` tell of our objects. Nobody waits for one and losing one is no harm, so they are written one after the
 * other, slowly, and dropped where there are too many: an API server that is busy has better things to do.
 */
import { randomBytes } from 'node:crypto'
import { toError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Clock } from '../core/time.ts'
import type { KubeHttp } from './http.ts'

/** What an Event is about. It must be in the same namespace. */
export interface Subject {
  apiVersion: string
  kind: string
  namespace: string
  name: string
  /** `kubectl describe` shows only Events that have it, where the object has one. */
  uid?: string
}

export interface Story {
  /** Normal when it is missing. */
  type?: 'Warning'
  /** One word in CamelCase. */
  reason: string
  message: string
}

/** Tells; never throws, never waits. */
export type Tell = (subject: Subject, story: Story) => void

/** Before each Event: at most ten a second, far above what Jobs come and go at, and none in the turn in which a reply goes out. */
const PAUSE_MS = 100
/** Some 25 s of Events; what comes later than that helps nobody who looks now. */
const MAX_WAITING = 256
/** How long the end of a process waits for what has not been written yet. */
const FLUSH_MS = 2_000
/** The API server refuses longer ones. */
const MESSAGE_LENGTH = 1024

export interface EventWriterOptions {
  http: Pick<KubeHttp, 'call'>
  /** Which of our processes speaks: `runlet-runner`. */
  component: string
  metrics: Pick<Metrics, 'add'>
  log: Log
  clock: Clock
}

export class EventWriter implements AsyncDisposable {
  readonly #options: EventWriterOptions
  readonly #waiting: { subject: Subject; story: Story; at: number }[] = []
  readonly #closing = new AbortController()
  #writing: Promise<void> | undefined
  #failing = false

  constructor(options: EventWriterOptions) {
    this.#options = options
  }

  readonly tell: Tell = (subject, story) => {
    if (this.#closing.signal.aborted || this.#waiting.length >= MAX_WAITING) return this.#drop()
    this.#waiting.push({ subject, story, at: this.#options.clock.now() })
    this.#writing ??= this.#write()
  }

  /** Writes what waits, for a short while. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    const enough = new AbortController()
    const late = this.#options.clock.sleep(FLUSH_MS, enough.signal).catch(() => undefined)
    await Promise.race([this.#writing, late])
    enough.abort()
    for (const _ of this.#waiting.splice(0)) this.#drop()
  }

  async #write(): Promise<void> {
    const { http, component, clock } = this.#options
    while (this.#waiting.length > 0) {
      await clock.sleep(PAUSE_MS, this.#closing.signal).catch(() => undefined)
      const next = this.#waiting.shift()
      if (next === undefined) break
      const { subject, story, at } = next
      const path = `/api/v1/namespaces/${subject.namespace}/events`
      const written = http.call({ method: 'POST', path, body: describeEvent(subject, story, { component, now: at }) })
      await written.then(
        () => {
          this.#failing = false
        },
        (thrown: unknown) => this.#failed(thrown),
      )
    }
    this.#writing = undefined
  }

  /** The first one says why; the others are counted. */
  #failed(thrown: unknown): void {
    this.#drop()
    if (!this.#failing) this.#options.log.warn({ error: toError(thrown) }, 'An Event could not be written')
    this.#failing = true
  }

  #drop(): void {
    this.#options.metrics.add('runlet_events_dropped_total', {})
  }
}

/** The Event as the API server wants it. Pure but for its name. */
export function describeEvent(
  { apiVersion, kind, namespace, name, uid }: Subject,
  { type, reason, message }: Story,
  { component, now }: { component: string; now: number },
) {
  const time = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z')
  // kubectl sorts by the second, and within one leaves them in the order of their names: so these begin with the millisecond.
  const suffix = now.toString(16).padStart(12, '0') + randomBytes(4).toString('hex')
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${name}.${suffix}`, namespace },
    involvedObject: { apiVersion, kind, namespace, name, ...(uid !== undefined && { uid }) },
    type: type ?? 'Normal',
    reason,
    message: message.slice(0, MESSAGE_LENGTH),
    source: { component },
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  }
}
