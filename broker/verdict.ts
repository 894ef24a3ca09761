import type { Channel, ConsumeMessage } from 'amqplib'
import { toAppError } from '../core/errors.ts'
import type { Verdict } from '../core/ports.ts'

/** What a handler that threw should have said: trouble of ours may pass, what never will is given up. */
export function verdictOn(thrown: unknown): Verdict {
  return toAppError(thrown).kind.retry === 'never' ? 'dead-letter' : 'requeue'
}

/**
 * Tells the broker. `reject` and not `nack`: since RabbitMQ 4.3 only the former counts as an attempt. False when the channel is gone: the broker hands the
 * message out again by itself.
 */
export function settle(channel: Channel, message: ConsumeMessage, verdict: Verdict): boolean {
  try {
    if (verdict === 'ack') channel.ack(message)
    else channel.reject(message, verdict === 'requeue')
    return true
  } catch {
    return false
  }
}

/** For what arrives after the end: `nack` and not `reject`, since nothing was attempted. RabbitMQ 4.3 and later do not count it; earlier ones do. */
export function giveBack(channel: Channel, message: ConsumeMessage): void {
  try {
    channel.nack(message, false, true)
  } catch {
    // The channel is gone, and the broker hands it out again by itself.
  }
}
