import type { IncomingMessage } from 'node:http'
import { toError } from '../core/errors.ts'

/** The API's `Status` object, as far as we read it. */
export interface StatusBody {
  code?: number
  reason?: string
  message?: string
  details?: { retryAfterSeconds?: number }
}

/** A call to the API server that failed. `status` is the HTTP status, 0 when there was no answer at all. */
export class KubeError extends Error {
  readonly status: number
  readonly reason: string
  /** How long the server asked us to wait; undefined when it did not say. */
  readonly retryAfterMs: number | undefined

  constructor(
    status: number,
    reason: string,
    message: string,
    options: { cause?: unknown; retryAfterMs?: number | undefined } = {},
  ) {
    super(message, { cause: options.cause })
    this.name = 'KubeError'
    this.status = status
    this.reason = reason
    this.retryAfterMs = options.retryAfterMs
  }

  static unreachable(path: string, why: Error | string): KubeError {
    const cause = toError(why)
    return new KubeError(0, 'Unreachable', `The API server did not answer (${path}): ${cause.message}`, { cause })
  }

  static fromAnswer(response: IncomingMessage, text: string): KubeError {
    const status = response.statusCode ?? 0
    const body = parseStatus(text)
    const header = Number(response.headers['retry-after'])
    const seconds = Number.isFinite(header) && header > 0 ? header : body.details?.retryAfterSeconds
    const message = body.message ?? (text.trim().slice(0, 500) || `HTTP ${status}`)
    return new KubeError(status, body.reason ?? '', message, {
      retryAfterMs: seconds === undefined ? undefined : seconds * 1000,
    })
  }

  /** The `object` of an ERROR event in a watch. */
  static fromEvent(status: StatusBody): KubeError {
    return new KubeError(status.code ?? 500, status.reason ?? '', status.message ?? 'The watch reported an error')
  }

  /** Trying the same again may help: nothing answered, too many requests, or trouble on the server's side. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof KubeError && error.status === 404
}

export function isAlreadyExists(error: unknown): boolean {
  return error instanceof KubeError && error.status === 409 && error.reason === 'AlreadyExists'
}

function parseStatus(text: string): StatusBody {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}
