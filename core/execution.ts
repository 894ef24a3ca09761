import { z } from 'zod'
import { EXECUTION_ID } from './ids.ts'
import { LanguageName } from './languages.ts'
import { TRACEPARENT } from './trace.ts'

/** How an execution stands. All but the first two are final. */
export const STATUSES = [
  'queued',
  'running',
  'succeeded',
  'failed',
  'timed_out',
  'out_of_memory',
  'output_limit',
  'killed',
  'lost',
] as const

export const Status = z.enum(STATUSES)
export type Status = z.infer<typeof Status>

export const FinalStatus = Status.exclude(['queued', 'running'])
export type FinalStatus = z.infer<typeof FinalStatus>

export const Encoding = z.enum(['utf8', 'base64'])
export type Encoding = z.infer<typeof Encoding>

const milliseconds = z.int().nonnegative()
const bytes = z.int().nonnegative()

export const ExecutionLimits = z.object({
  wallTimeMs: milliseconds,
  cpuTimeMs: milliseconds,
  memoryBytes: bytes,
  outputBytes: bytes,
  processes: z.int().positive(),
  openFiles: z.int().positive(),
  fileSizeBytes: bytes,
})

export const ExecutionFile = z.object({ name: z.string(), content: z.string(), encoding: Encoding })
export type ExecutionFile = z.infer<typeof ExecutionFile>

/** A checked request with nothing left open: limits resolved, language by its canonical name. */
export const Program = z.object({
  language: LanguageName,
  code: z.string(),
  stdin: z.string(),
  args: z.array(z.string()),
  env: z.record(z.string(), z.string()),
  files: z.array(ExecutionFile),
  limits: ExecutionLimits,
})
export type Program = z.infer<typeof Program>

/** What travels through the queue. Parsed as untrusted on the other end; `version` lets a newer reader understand an older writer. */
export const Envelope = z.object({
  version: z.literal(1),
  id: z.string().regex(EXECUTION_ID),
  /** Unix milliseconds at which the API took it. */
  acceptedAt: z.int().nonnegative(),
  program: Program,
  /** Whose it is (api/auth.ts), where the API limits how much of one caller's may wait. */
  caller: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .optional(),
  /** The span that it comes from, where requests are traced. No reason to refuse an execution, whatever it is. */
  traceparent: z.string().regex(TRACEPARENT).optional().catch(undefined),
})
export type Envelope = z.infer<typeof Envelope>

/** What an execution gave. `exitCode` and `signal` are null where there was no such thing: at most one of them is set. */
export const Result = z.object({
  status: FinalStatus,
  stdout: z.string(),
  stdoutEncoding: Encoding,
  stderr: z.string(),
  stderrEncoding: Encoding,
  exitCode: z.int().nullable(),
  signal: z.string().nullable(),
  wallTimeMs: milliseconds,
  cpuTimeMs: milliseconds,
  memoryBytes: bytes,
  /** Output is missing: past the output limit, or past what a record may hold. */
  truncated: z.boolean(),
})
export type Result = z.infer<typeof Result>

/** The durable form of a finished execution. `languageVersion` is null when it never reached a sandbox. */
export const ExecutionRecord = z.object({
  version: z.literal(1),
  id: z.string().regex(EXECUTION_ID),
  language: LanguageName,
  languageVersion: z.string().nullable(),
  acceptedAt: z.int().nonnegative(),
  startedAt: z.int().nonnegative().nullable(),
  finishedAt: z.int().nonnegative(),
  /** SHA-256 of the program, hex: tells whether two executions ran the same thing without keeping the code. */
  digest: z.string(),
  result: Result,
})
export type ExecutionRecord = z.infer<typeof ExecutionRecord>

/** The result of an execution of which nothing is known but its end. */
export function emptyResult(status: FinalStatus): Result {
  return {
    status,
    stdout: '',
    stdoutEncoding: 'utf8',
    stderr: '',
    stderrEncoding: 'utf8',
    exitCode: null,
    signal: null,
    wallTimeMs: 0,
    cpuTimeMs: 0,
    memoryBytes: 0,
    truncated: false,
  }
}
