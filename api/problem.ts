import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { AppError, ERROR_CODES, type ErrorCode, type FieldFault, toAppError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'

/** So many bad fields are named, no more: a body of a million mistakes must not give an answer of a million lines. */
const MAX_FAULTS = 50
const MAX_FIELD_LENGTH = 120

/** Seconds to wait before trying again. What is about our own processes passes soon; a full queue has to be worked off first. */
const RETRY_AFTER_SECONDS: { [Code in ErrorCode]?: number } = {
  queue_full: 5,
  queue_unavailable: 2,
  too_many_outstanding: 5,
}
const RETRY_AFTER_DEFAULT_SECONDS = 1

/** RFC 9457. */
export const Problem = z
  .object({
    type: z.string().meta({ description: 'A URI that stands for the kind of problem; the same information as `code`' }),
    title: z.string().meta({ description: 'The kind of problem in a sentence, always the same for a code' }),
    status: z.int().meta({ description: 'The HTTP status' }),
    detail: z.string().meta({ description: 'What is wrong this time' }),
    code: z.enum(ERROR_CODES).meta({ description: 'The kind of problem, for programs' }),
    errors: z
      .array(z.object({ field: z.string(), message: z.string() }))
      .meta({ description: 'Every bad field of a request, empty for other problems' }),
  })
  .meta({ id: 'Problem', description: 'What went wrong (RFC 9457)' })
export type Problem = z.infer<typeof Problem>

const PROBLEM_CONTENT = { 'application/problem+json': { schema: Problem } }

const HEADERS: { [Status in string]?: z.ZodObject } = {
  401: z.object({ 'WWW-Authenticate': z.string() }),
  429: z.object({
    'Retry-After': z.string().meta({ description: 'Seconds' }),
    'RateLimit-Policy': z.string().optional().meta({ description: 'What this key may do' }),
    RateLimit: z.string().optional().meta({ description: 'What is left of it' }),
  }),
  503: z.object({ 'Retry-After': z.string().meta({ description: 'Seconds' }) }),
}

/** The declarations of the answers that these errors give, for a route's `responses`. */
export function problemResponses<Status extends number>(descriptions: Record<Status, string>) {
  const entries = Object.entries(descriptions).map(([status, description]) => {
    const headers = HEADERS[status]
    return [status, { description, content: PROBLEM_CONTENT, ...(headers && { headers }) }]
  })
  return Object.fromEntries(entries) as Record<Status, { description: string; content: typeof PROBLEM_CONTENT }>
}

/** The body that an error becomes. An internal one says nothing of its cause. */
export function toProblem(error: AppError): Problem {
  const { title, http } = error.kind
  return {
    type: `urn:runlet:problem:${error.code}`,
    title,
    status: http,
    detail: error.code === 'internal' ? title : error.message,
    code: error.code,
    errors: cutFaults(error.faults),
  }
}

function cutFaults(faults: readonly FieldFault[]): FieldFault[] {
  const cut = faults.slice(0, MAX_FAULTS).map(({ field, message }) => ({
    field: field.length > MAX_FIELD_LENGTH ? `${field.slice(0, MAX_FIELD_LENGTH)}...`.toWellFormed() : field,
    message,
  }))
  if (faults.length > MAX_FAULTS) cut.push({ field: '', message: `and ${faults.length - MAX_FAULTS} more` })
  return cut
}

/** Answers with the problem and logs it as loud as its kind says. Headers that were set before (Allow, WWW-Authenticate) stay. */
export function sendProblem(c: Context, error: AppError, log: Log): Response {
  const { http, level, retry } = error.kind
  // During an outage every request is refused for a reason that has a name: a stack for each would bury the log.
  const isExplained = error.code !== 'internal' && error.cause === undefined
  log[level]({ code: error.code, method: c.req.method, ...(!isExplained && { error }) }, 'Request refused')
  if (http === 503 || retry === 'later') {
    c.header('Retry-After', String(retryAfterSeconds(error)))
  }
  return c.body(JSON.stringify(toProblem(error)), http, { 'Content-Type': 'application/problem+json' })
}

function retryAfterSeconds({ code, retryAfterSeconds: known }: AppError): number {
  return Math.max(1, known ?? RETRY_AFTER_SECONDS[code] ?? RETRY_AFTER_DEFAULT_SECONDS)
}

/** Whatever a handler threw, as an error of ours; the framework's own exceptions by their status. */
export async function fromThrown(thrown: unknown, c: Context): Promise<AppError> {
  if (!(thrown instanceof HTTPException)) return toAppError(thrown)
  if (thrown.status === 400) return new AppError('malformed_json', await describeMistake(c), { cause: thrown })
  if (thrown.status === 413) return new AppError('body_too_large', undefined, { cause: thrown })
  if (thrown.status === 415) return new AppError('unsupported_media_type', undefined, { cause: thrown })
  return new AppError('internal', undefined, { cause: thrown })
}

/** Where the JSON breaks, without its text: V8's own message may quote the body, which must not get into a log. */
async function describeMistake(c: Context): Promise<string> {
  const message = await c.req.text().then(
    (text) => syntaxErrorOf(text),
    () => '',
  )
  const place = /at position \d+( \(line \d+ column \d+\))?/.exec(message)?.[0]
  if (place !== undefined) return `The body is not JSON: there is a mistake ${place}`
  return message.includes('end of JSON input') ? 'The body is not JSON: it ends too early' : 'The body is not JSON'
}

function syntaxErrorOf(text: string): string {
  try {
    JSON.parse(text)
    return ''
  } catch (error) {
    return (error as Error).message
  }
}
