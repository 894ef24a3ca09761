import { toError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Clock } from '../core/time.ts'
import type { Readiness } from '../telemetry/server.ts'
import type { Capacity } from './claim.ts'

export interface ReadinessOptions {
  languages: readonly string[]
  draining: AbortSignal
}

/** What is there by now; a runner starts in this order. */
export interface Progress {
  /** Why Kubernetes can not be used; undefined when it can. */
  refused: string | undefined
  consumer?: { readonly connected: boolean }
  runner?: { capacity(language: string): Pick<Capacity, 'held'> }
}

/**
 * Whether a runner does its work: it may use Kubernetes, has the queue, and can start sandboxes. No traffic depends on it; it stops a rollout that would
 * replace runners that work by runners that do not, and tells the operator why.
 */
export function readinessOf(
  { refused, consumer, runner }: Progress,
  { languages, draining }: ReadinessOptions,
): Readiness {
  if (draining.aborted) return { ok: false, reason: 'shutting down' }
  if (refused !== undefined) return { ok: false, reason: refused }
  if (!consumer?.connected || !runner) return { ok: false, reason: 'the queue can not be reached' }
  for (const language of languages) {
    const { held } = runner.capacity(language)
    if (held) return { ok: false, reason: `no ${language} sandboxes can be started: ${held.reason}` }
  }
  return { ok: true }
}

export interface AccessOptions {
  /** The permissions that are missing, in words. */
  missing: (signal: AbortSignal) => Promise<string[]>
  /** Told why it is not there yet. */
  onRefused: (reason: string) => void
  clock: Clock
  log: Log
  signal: AbortSignal
}

const RETRY_MS = 3_000

/** Waits until Kubernetes lets us do all that we need: a Role that is applied a moment after the Deployment is no reason to crash. Rejects when the signal aborts. */
export async function waitForAccess({ missing, onRefused, clock, log, signal }: AccessOptions): Promise<void> {
  for (;;) {
    const refusals = await missing(signal).catch((thrown: unknown) => [
      `Kubernetes can not be reached: ${toError(thrown).message}`,
    ])
    signal.throwIfAborted()
    if (refusals.length === 0) return
    const reason = refusals.join('; ')
    onRefused(reason)
    log.warn({ reason }, 'Kubernetes can not be used yet')
    await clock.sleep(RETRY_MS, signal)
  }
}
