import { type DestinationStream, pino, stdTimeFunctions } from 'pino'
import type { Log } from '../core/log.ts'

export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'

/** How deep a chain of causes is followed: longer ones repeat themselves, and a cycle must end. */
const MAX_CAUSES = 8

/**
 * A log of JSON lines on standard output: `{"level":"info","time":"2026-01-31T12:00:00.000Z","name":"api",...fields,"msg":"..."}`.
 * An Error in the field `error` or `err` is written with its stack and with everything that led to it (see describeError).
 * @param destination takes the lines instead of standard output.
 */
export function createLog(
  { name, level }: { name: string; level: LogLevel },
  destination: DestinationStream = pino.destination({ fd: 1, sync: true }),
): Log {
  return pino(
    {
      level,
      base: { name },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeError, err: describeError },
    },
    destination,
  )
}

interface ErrorDescription {
  type: string
  message: string
  code?: unknown
  stack?: string | undefined
  cause?: unknown
  suppressed?: unknown
  errors?: unknown[]
}

/**
 * An error as plain data: what it is, its `cause`, the `suppressed` one and the `error` of a SuppressedError, the `errors` of an AggregateError.
 * A SuppressedError is what a failing release makes of the error that led to the release: `suppressed` is the one that says why.
 */
export function describeError(thrown: unknown, depth = 0): unknown {
  if (!(thrown instanceof Error)) return thrown
  if (depth === MAX_CAUSES) return '(more causes)'
  const described: ErrorDescription = { type: thrown.name, message: thrown.message, stack: thrown.stack }
  const extra = thrown as { code?: unknown; cause?: unknown; suppressed?: unknown; error?: unknown; errors?: unknown }
  const next = (inner: unknown) => describeError(inner, depth + 1)
  if (extra.code !== undefined) described.code = extra.code
  if (extra.cause !== undefined) described.cause = next(extra.cause)
  if (thrown instanceof SuppressedError) {
    described.cause = next(extra.error)
    described.suppressed = next(extra.suppressed)
  }
  if (Array.isArray(extra.errors)) described.errors = extra.errors.slice(0, MAX_CAUSES).map(next)
  return described
}
