import { toError } from '../core/errors.ts'
import type { Envelope } from '../core/execution.ts'
import type { Log } from '../core/log.ts'
import type { DeliveryHandler, Verdict } from '../core/ports.ts'
import { readEnvelope } from '../core/versions.ts'
import type { Row } from './execution-table.ts'

/** What a row holds; undefined, and a line in the log, when it is no envelope, or one of a newer Runlet. */
export function readRow({ id, envelope }: Row, log: Log): Envelope | undefined {
  const reading = readEnvelope(parse(envelope))
  if ('value' in reading) return reading.value
  if ('newer' in reading) log.warn({ id, version: reading.newer }, 'A scheduled execution is for a newer Runlet')
  else log.error({ id, err: reading.fault }, 'A scheduled execution cannot be read')
  return undefined
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What the runner says of an execution. */
export async function handOut(
  handler: DeliveryHandler,
  envelope: Envelope,
  { attempts }: Row,
  log: Log,
): Promise<Verdict> {
  try {
    return await handler({ envelope, redelivered: attempts > 1 })
  } catch (thrown) {
    log.error({ id: envelope.id, err: toError(thrown) }, 'A delivery handler threw')
    return 'requeue'
  }
}
