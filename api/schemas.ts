import { z } from '@hono/zod-openapi'
import { type ExecutionRecord, Result, Status } from '../core/execution.ts'
import { REQUESTABLE_LIMITS, type RequestableLimit } from '../core/limits.ts'

const id = z
  .string()
  .meta({ description: 'The execution', examples: ['0196a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f6'] })
const time = z.iso.datetime().meta({ examples: ['2026-01-31T12:00:00.000Z'] })

/** How a program ended: what happened to it is data, also when it failed. */
export const RunResult = z
  .object({
    id,
    ...Result.shape,
    exitCode: Result.shape.exitCode.meta({ description: 'null when a signal or a limit ended it' }),
    signal: Result.shape.signal.meta({ description: 'The signal that ended it', examples: ['SIGSEGV'] }),
    stdoutEncoding: Result.shape.stdoutEncoding.meta({ description: '`base64` where the bytes are not UTF-8' }),
    stderrEncoding: Result.shape.stderrEncoding.meta({ description: '`base64` where the bytes are not UTF-8' }),
    memoryBytes: Result.shape.memoryBytes.meta({ description: 'Peak of resident memory' }),
    truncated: Result.shape.truncated.meta({ description: 'Output is missing' }),
  })
  .meta({ id: 'RunResult' })

export const Accepted = z
  .object({ id, status: Status.extract(['queued', 'running']) })
  .meta({ id: 'Accepted', description: 'The execution has no result yet' })

/** Of an answer without a result. */
export const LocationHeader = z.object({
  Location: z.string().meta({ description: 'Where to check', examples: ['/api/schedule/check/0196a1b2...'] }),
})

export const Finished = RunResult.extend({
  language: z.string(),
  languageVersion: z.string().nullable().meta({ description: 'null when it never reached a sandbox' }),
  acceptedAt: time,
  startedAt: time.nullable().meta({ description: 'null when it never reached a sandbox' }),
  finishedAt: time,
}).meta({ id: 'FinishedExecution', description: 'The execution and its result' })

const limitBounds = z.object({ default: z.int(), maximum: z.int() })

export const LanguageInfo = z
  .object({
    name: z.string(),
    aliases: z.array(z.string()),
    version: z.string().nullable().meta({ description: 'Of the interpreter that really runs; null until one has' }),
    limits: z.object(
      Object.fromEntries(REQUESTABLE_LIMITS.map((name) => [name, limitBounds])) as Record<
        RequestableLimit,
        typeof limitBounds
      >,
    ),
  })
  .meta({ id: 'Language' })

const iso = (milliseconds: number) => new Date(milliseconds).toISOString()

/** A record as its reader sees it. */
export function toFinished(record: ExecutionRecord): z.infer<typeof Finished> {
  return {
    id: record.id,
    ...record.result,
    language: record.language,
    languageVersion: record.languageVersion,
    acceptedAt: iso(record.acceptedAt),
    startedAt: record.startedAt === null ? null : iso(record.startedAt),
    finishedAt: iso(record.finishedAt),
  }
}
