import type { ExecutionIds } from '../core/ids.ts'
import type { Languages } from '../core/languages.ts'
import type { LimitSettings } from '../core/limits.ts'
import type { Log } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Publisher, Records } from '../core/ports.ts'
import type { Clock } from '../core/time.ts'
import type { Tracer } from '../core/trace.ts'
import type { MetricsText } from '../telemetry/metrics.ts'
import type { Readiness } from '../telemetry/server.ts'

export interface ApiSettings {
  /** A larger body is refused with 413. */
  maxBodyBytes: number
  /** How long POST /api/run waits for the end of an execution before it answers 202, in milliseconds. */
  runWaitMs: number
  /** The largest `?wait=` of a check, in milliseconds. */
  maxCheckWaitMs: number
  /** How long results are kept, in seconds: what is older and unknown is 410. */
  retentionSeconds: number
  /** Whether answers to run say where the time went (Server-Timing). */
  timings: boolean
  /** SHA-256 (hex) of every key that opens /api/*; empty or missing: no key is needed. */
  apiKeys?: readonly string[] | undefined
  /** Origins whose pages may call /api/* from a browser; empty or missing: none. */
  corsOrigins?: readonly string[] | undefined
  /** What each key may do; missing: all it likes. */
  callerLimits?: CallerLimits | undefined
}

/** What one caller, that is one API key, may do; 0: no limit. */
export interface CallerLimits {
  /** Requests in the window, on each replica. */
  requests: number
  windowSeconds: number
  /** Runs at a time, on each replica. */
  runs: number
  /** Scheduled executions that have not ended, on all replicas together. */
  outstanding: number
}

export const DEFAULT_SETTINGS: ApiSettings = {
  maxBodyBytes: 4 * 1024 * 1024,
  runWaitMs: 30_000,
  maxCheckWaitMs: 60_000,
  retentionSeconds: 3600,
  timings: false,
}

/** Language -> version of the interpreter that really runs, as far as known. */
export type Versions = Readonly<Record<string, string | undefined>>

/** All that the API needs of the world; the same for Kubernetes and embedded. */
export interface ApiDeps {
  publisher: Publisher
  records: Records
  languages: Languages
  limits: LimitSettings
  ids: ExecutionIds
  clock: Clock
  log: Log
  metrics: Metrics
  settings: ApiSettings
  /** What /readyz says; always ready when missing. */
  ready?: (() => Readiness) | undefined
  versions?: (() => Versions | Promise<Versions>) | undefined
  /** When it aborts, long polls are answered at once with what is known. */
  draining?: AbortSignal | undefined
  /** Serves /metrics on this port too (embedded); on Kubernetes they have a port that no Ingress exposes. */
  metricsText?: MetricsText | undefined
  /** Requests are traced where there is one. */
  tracer?: Tracer | undefined
}

/** What the middleware leaves for handlers. `startedAt`: clock.monotonic() when the request came; `caller`: whose key it showed (auth.ts), where keys are needed. */
export interface ApiEnv {
  Variables: { startedAt: number; caller?: string }
}
