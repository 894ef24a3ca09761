import { z } from 'zod'
import { flag, integer, json, logLevel, port } from '../core/config.ts'
import { LimitSettings } from '../core/limits.ts'

const MEBIBYTE = 1024 * 1024

/** The environment of the embedded mode. Each has a default: `npm start` needs nothing. */
export const LocalConfig = z.object({
  /** Whoever can reach this address can run programs here. */
  HOST: z.string().default('127.0.0.1'),
  PORT: port().default(8080),
  /** Queue, results and the key of the ids. */
  DATA_DIR: z.string().default('./data'),
  /** Sandboxes that wait for their program, per language. An idle one has about 20 MiB (Python) to 60 MiB (Node). */
  WARM: integer(0, 1000).default(2),
  /** Sandboxes of one language at the same time. Default: two for each processor, at least 4. */
  MAX: integer(1, 1000).optional(),
  /** How long results are kept. */
  RETENTION_SECONDS: integer(1, 31_536_000).default(86_400),
  /** JSON: defaults and maxima of the limits, as in core/limits.ts. */
  LIMITS: json(LimitSettings).prefault('{}'),
  /** Scheduled executions of one language that may be held; more are refused with 503. */
  QUEUE_LENGTH: integer(1).default(100_000),
  /** Bytes of all of them together. */
  QUEUE_BYTES: integer(1).default(1024 * MEBIBYTE),
  MAX_BODY_BYTES: integer(1024, 64 * MEBIBYTE).default(4 * MEBIBYTE),
  /** How long POST /api/run waits before it answers 202. */
  RUN_WAIT_MS: integer(1, 600_000).default(30_000),
  /** How long executions that run may still take when the process is told to stop. */
  DRAIN_MS: integer(0, 600_000).default(10_000),
  /** Whether answers say where the time went. */
  TIMINGS: flag().prefault('false'),
  LOG_LEVEL: logLevel(),
})

export type LocalConfig = z.infer<typeof LocalConfig>
