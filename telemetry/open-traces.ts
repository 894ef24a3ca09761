import { z } from 'zod'
import type { Log } from '../core/log.ts'
import type { Traces } from '../core/trace.ts'

/** What every process must know of traces; each spreads it into its own schema. */
export const TracesConfig = z.object({
  /** Where spans are sent (OTLP over HTTP): `http://collector:4318`, to which `/v1/traces` is added. Not set: nothing is traced. */
  TRACES_ENDPOINT: z
    .string()
    .regex(/^https?:\/\/[^\s@]+$/, 'must be an http:// or https:// URL without credentials')
    .optional(),
  /** The share of requests that are traced, where the caller's own trace does not say. */
  TRACES_RATIO: z
    .string()
    .regex(/^(0(\.\d+)?|1(\.0+)?)$/, 'must be a number from 0 to 1')
    .transform(Number)
    .default(1),
})
export type TracesConfig = z.infer<typeof TracesConfig>

export interface TracesOptions {
  config: TracesConfig
  /** Which process this is: runlet-api, runlet-runner, or runlet for both in one. */
  service: string
  /** Which of them: the name of its pod. */
  instance?: string
  log: Log
}

/**
 * A tracer when there is somewhere to send spans to. Only then is OpenTelemetry loaded at all: its start takes 0.1 s and 10 MiB of memory, which whoever does not
 * trace should not pay.
 */
export async function openTraces({ config, ...options }: TracesOptions): Promise<Traces | undefined> {
  const { TRACES_ENDPOINT: endpoint, TRACES_RATIO: ratio } = config
  if (endpoint === undefined) return undefined
  const { startTraces } = await import('./traces.ts')
  return startTraces({ ...options, endpoint, ratio })
}
