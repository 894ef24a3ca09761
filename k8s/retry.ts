import type { Clock } from '../core/time.ts'
import { KubeError } from './kube-error.ts'

export interface RetryOptions {
  clock: Pick<Clock, 'sleep' | 'monotonic'>
  /** How long to go on; the last failure is thrown then. */
  budgetMs: number
  signal?: AbortSignal | undefined
}

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5000

/** Tries again what failed for a reason that passes (no answer, 429, 5xx), with exponential backoff and jitter or as Retry-After says. `attempt` counts from 1. */
export async function retrying<Answer>(
  call: (attempt: number) => Promise<Answer>,
  { clock, budgetMs, signal }: RetryOptions,
): Promise<Answer> {
  const end = clock.monotonic() + budgetMs
  for (let attempt = 1; ; attempt++) {
    try {
      return await call(attempt)
    } catch (error) {
      if (!(error instanceof KubeError && error.passing)) throw error
      const bound = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1))
      const pause = Math.max(error.retryAfterMs ?? 0, bound * (0.5 + Math.random() / 2))
      if (signal?.aborted || clock.monotonic() + pause > end) throw error
      await clock.sleep(pause, signal)
    }
  }
}
