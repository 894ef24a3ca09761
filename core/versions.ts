import { z } from 'zod'
import { AppError } from './errors.ts'
import { Envelope, ExecutionRecord } from './execution.ts'

/**
 * Reading what another Runlet may have written: an older one, whose every form is understood (tests/fixtures/samples holds one of each), or a newer one, after
 * a roll back. What says that it is newer is not ours to judge: it is kept for who understands it, and never taken for damaged. docs/adr/0013.
 */
export type Reading<Value> =
  | { value: Value }
  /** The version that it has. */
  | { newer: number }
  | { fault: z.ZodError }

/** The newest versions that this Runlet reads, and the ones that it writes. */
export const ENVELOPE_VERSION = 1
export const RECORD_VERSION = 1

export function readEnvelope(json: unknown): Reading<Envelope> {
  return read(Envelope, ENVELOPE_VERSION, json)
}

export function readRecord(json: unknown): Reading<ExecutionRecord> {
  return read(ExecutionRecord, RECORD_VERSION, json)
}

/** Of a result that this Runlet can't read, and a newer one can: it is not lost. */
export function newerRecord(): AppError {
  return new AppError('store_unavailable', 'The result was recorded by a newer version of Runlet')
}

const Versioned = z.object({ version: z.int() })

function read<Schema extends z.ZodType>(schema: Schema, known: number, json: unknown): Reading<z.infer<Schema>> {
  const parsed = schema.safeParse(json)
  if (parsed.success) return { value: parsed.data }
  const { data } = Versioned.safeParse(json)
  return data !== undefined && data.version > known ? { newer: data.version } : { fault: parsed.error }
}
