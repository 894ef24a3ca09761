import type { AppError } from '../core/errors.ts'
import type { Delivery } from '../core/ports.ts'
import type { WaitOptions } from './waiting-line.ts'

/** What a runner owes to those who wait, in milliseconds; see RunnerSettings. */
export interface Patience {
  replyMarginMs: number
  claimWaitMs: number
}

/**
 * Whether somebody still waits for the reply. Half the margin counts as too late: on the way the caller could be told 202 meanwhile, and then there must be
 * an end to find. What nobody waits for any more is treated as scheduled.
 */
export function isAwaited({ reply, replyBefore }: Delivery, now: number, { replyMarginMs }: Patience): boolean {
  return reply !== undefined && replyBefore !== undefined && now + replyMarginMs / 2 < replyBefore
}

/** How an execution waits for its turn: while a caller waits it goes first, and not for longer than the caller does. */
export function waitOptions(delivery: Delivery, now: number, patience: Patience): WaitOptions {
  if (delivery.replyBefore === undefined || !isAwaited(delivery, now, patience)) {
    return { priority: 'execution', deadline: now + patience.claimWaitMs }
  }
  return { priority: 'run', deadline: delivery.replyBefore - patience.replyMarginMs }
}

export function replyError({ envelope, reply }: Delivery, { code, message }: AppError): void {
  reply?.({ id: envelope.id, error: { code, message } })
}

/**
 * Resolves when a reply that was given in this turn of the event loop is on its socket. A broker's client gathers messages and writes them at the end of the turn,
 * and in one process the caller's answer is made in it: whatever follows at once would be in the way of both.
 */
export function replySent(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
}
