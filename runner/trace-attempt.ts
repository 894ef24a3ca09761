import type { Delivery } from '../core/ports.ts'
import type { Execution } from './execute.ts'

/** Times by Clock.monotonic. */
export interface Attempt {
  received: number
  entered: number
  claimed: number
  ended: number
  /** The sandbox's name: that of its Job on Kubernetes. */
  sandbox: string
  path: 'warm' | 'cold'
  execution: Execution
}

/** Tells the trace of a delivery, if there is one, where the time of an attempt went. To be called when nobody waits any more. */
export function traceAttempt({ trace }: Delivery, attempt: Attempt): void {
  if (trace === undefined) return
  const { received, entered, claimed, ended, sandbox, path, execution } = attempt
  const { result, timings } = execution
  trace.step('wait for a turn', received, entered)
  trace.step('claim a sandbox', entered, claimed, { 'runlet.path': path })
  trace.step('run in the sandbox', claimed, ended, {
    'runlet.sandbox': sandbox,
    'runlet.status': result.status,
    'runlet.guest_ms': timings.guest ?? 0,
    'runlet.first_frame_ms': timings.first_frame ?? 0,
  })
}
