/**
 * Our own trouble, as a table: what it means in HTTP, whether trying again helps, and what a caller may be told.
 * The misfortunes of a guest are not here: they are data (core/outcome.ts).
 *
 * `retry`: `never` the same request fails again; `later` the caller may repeat it; `redeliver` the queue should hand the execution out again.
 */
const TABLE = {
  invalid_request: { http: 422, retry: 'never', level: 'debug', title: 'The request does not fit its schema' },
  malformed_json: { http: 400, retry: 'never', level: 'debug', title: 'The body is not JSON' },
  unsupported_media_type: { http: 415, retry: 'never', level: 'debug', title: 'The body must be application/json' },
  body_too_large: { http: 413, retry: 'never', level: 'debug', title: 'The body is larger than this server takes' },
  unauthorized: { http: 401, retry: 'never', level: 'debug', title: 'A valid API key is needed' },
  not_found: { http: 404, retry: 'never', level: 'debug', title: 'There is nothing here' },
  method_not_allowed: { http: 405, retry: 'never', level: 'debug', title: 'This path does not take that method' },
  execution_unknown: { http: 404, retry: 'never', level: 'debug', title: 'No execution has this id' },
  execution_expired: {
    http: 410,
    retry: 'never',
    level: 'debug',
    title: 'The result of this execution is no longer kept',
  },
  rate_limited: { http: 429, retry: 'later', level: 'debug', title: 'This key has made too many requests' },
  too_many_runs: { http: 429, retry: 'later', level: 'debug', title: 'Too many runs of this key are under way' },
  too_many_outstanding: {
    http: 429,
    retry: 'later',
    level: 'debug',
    title: 'Too many executions of this key wait for their end',
  },
  overloaded: { http: 503, retry: 'later', level: 'debug', title: 'More runs wait than can be served in time' },
  queue_full: { http: 503, retry: 'later', level: 'warn', title: 'The queue is full' },
  no_capacity: { http: 503, retry: 'later', level: 'warn', title: 'No sandbox became free in time' },
  queue_unavailable: { http: 503, retry: 'later', level: 'error', title: 'The queue cannot be reached' },
  store_unavailable: { http: 503, retry: 'later', level: 'error', title: 'The results cannot be reached' },
  shutting_down: { http: 503, retry: 'later', level: 'info', title: 'This server is shutting down' },
  sandbox_unavailable: { http: 503, retry: 'redeliver', level: 'error', title: 'A sandbox could not be started' },
  sandbox_lost: { http: 503, retry: 'redeliver', level: 'warn', title: 'The sandbox was lost before it gave a result' },
  internal: { http: 500, retry: 'redeliver', level: 'error', title: 'Something is wrong on our side' },
} as const satisfies Record<string, ErrorKind>

interface ErrorKind {
  http: 400 | 401 | 404 | 405 | 410 | 413 | 415 | 422 | 429 | 500 | 503
  retry: 'never' | 'later' | 'redeliver'
  level: 'debug' | 'info' | 'warn' | 'error'
  title: string
}

export type ErrorCode = keyof typeof TABLE

export const ERROR_CODES = Object.keys(TABLE) as ErrorCode[]

/** One field of a bad request: where it is (`limits.wallTimeMs`, `files[2].name`; empty for the whole body) and what to do about it. */
export interface FieldFault {
  field: string
  message: string
}

/** The one error class. `message` may be shown to the caller; what must not be shown belongs into `cause`. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly faults: readonly FieldFault[]
  /** When trying again may help, where that is known. */
  readonly retryAfterSeconds: number | undefined

  constructor(
    code: ErrorCode,
    message?: string,
    options: { cause?: unknown; faults?: readonly FieldFault[]; retryAfterSeconds?: number | undefined } = {},
  ) {
    super(message ?? TABLE[code].title, { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.faults = options.faults ?? []
    this.retryAfterSeconds = options.retryAfterSeconds
  }

  get kind(): ErrorKind {
    return TABLE[this.code]
  }
}

/** Anything that was thrown, as an Error. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}

/** Anything that was thrown, as an AppError: ours as it is, everything else as `internal` with the original as its cause. */
export function toAppError(thrown: unknown): AppError {
  return thrown instanceof AppError ? thrown : new AppError('internal', undefined, { cause: thrown })
}
