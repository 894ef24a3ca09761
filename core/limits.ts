import { z } from 'zod'

/**
 * What an execution may use. The first five may be asked for in a request, up to the operator's maximum; the last two are the operator's alone.
 * `memoryBytes` counts all the guest's processes together and what they wrote to /tmp; `outputBytes` counts standard output and standard error together.
 */
export interface Limits {
  wallTimeMs: number
  cpuTimeMs: number
  memoryBytes: number
  outputBytes: number
  processes: number
  openFiles: number
  fileSizeBytes: number
}

export const REQUESTABLE_LIMITS = ['wallTimeMs', 'cpuTimeMs', 'memoryBytes', 'outputBytes', 'processes'] as const

export type RequestableLimit = (typeof REQUESTABLE_LIMITS)[number]

const MEBIBYTE = 1024 * 1024

/** Below these no interpreter starts, or the limit means nothing. */
export const LIMIT_MINIMA = {
  wallTimeMs: 10,
  cpuTimeMs: 10,
  memoryBytes: 16 * MEBIBYTE,
  outputBytes: 1,
  processes: 1,
  openFiles: 16,
  fileSizeBytes: 0,
} as const satisfies Record<keyof Limits, number>

/** A default and a maximum, neither of them below the minimum. */
const limit = (minimum: number, normal: number, maximum: number) =>
  z
    .strictObject({
      default: z.int().min(minimum).default(normal),
      maximum: z.int().min(minimum).default(maximum),
    })
    .refine((bounds) => bounds.default <= bounds.maximum, 'the default is above the maximum')
    .prefault({})

/** The operator's side of the limits, with the defaults that the documentation names. */
export const LimitSettings = z.strictObject({
  wallTimeMs: limit(LIMIT_MINIMA.wallTimeMs, 10_000, 60_000),
  cpuTimeMs: limit(LIMIT_MINIMA.cpuTimeMs, 10_000, 60_000),
  memoryBytes: limit(LIMIT_MINIMA.memoryBytes, 128 * MEBIBYTE, 512 * MEBIBYTE),
  // A record has to fit into an annotation: all annotations of a Job share 256 KiB, base64 and JSON escapes included.
  outputBytes: limit(LIMIT_MINIMA.outputBytes, 64 * 1024, 1024 * 1024),
  processes: limit(LIMIT_MINIMA.processes, 64, 256),
  openFiles: limit(LIMIT_MINIMA.openFiles, 256, 1024),
  fileSizeBytes: limit(LIMIT_MINIMA.fileSizeBytes, 64 * MEBIBYTE, 256 * MEBIBYTE),
})

export type LimitSettings = z.infer<typeof LimitSettings>

/** What an execution gets: what it asked for, else the defaults. The request has been checked against the maxima already. */
export function resolveLimits(
  settings: LimitSettings,
  asked: { [Name in RequestableLimit]?: number | undefined } = {},
): Limits {
  const given: { [Name in keyof Limits]?: number | undefined } = asked
  const names = Object.keys(settings) as (keyof Limits)[]
  return Object.fromEntries(names.map((name) => [name, given[name] ?? settings[name].default])) as unknown as Limits
}
