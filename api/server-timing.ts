import type { Timings } from '../core/ports.ts'

/** Steps and their milliseconds as a Server-Timing header. Names come from another process: what is no token in HTTP becomes `-`. */
export function serverTiming(timings: Timings): string {
  return Object.entries(timings)
    .map(([step, milliseconds]) => `${step.replace(/[^A-Za-z0-9_-]/g, '-')};dur=${milliseconds.toFixed(3)}`)
    .join(', ')
}
