import { randomUUID } from 'node:crypto'
import type { Channel, ConsumeMessage } from 'amqplib'
import { AppError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Restart } from './connection.ts'
import { decodeReply } from './messages.ts'
import type { PendingRuns } from './pending-runs.ts'
import type { Names } from './topology.ts'

/**
 * Opens the queue on which this replica hears what became of its runs: its own, and gone with the connection.
 * @returns its name
 */
export async function openReplyQueue(
  channel: Channel,
  { names, pending, log, restart }: { names: Names; pending: PendingRuns; log: Log; restart: Restart },
): Promise<string> {
  const queue = names.replies(randomUUID())
  await channel.assertQueue(queue, {
    exclusive: true,
    autoDelete: true,
    durable: false,
    arguments: { 'x-queue-type': 'classic' },
  })
  await channel.bindQueue(queue, names.work, queue)
  const onMessage = (message: ConsumeMessage | null) => {
    if (message === null) restart('the reply queue was deleted')
    else take(message, pending, log)
  }
  await channel.consume(queue, onMessage, { noAck: true })
  return queue
}

function take(message: ConsumeMessage, pending: PendingRuns, log: Log): void {
  const decoded = decodeReply(message.content)
  const id = String(message.properties.correlationId)
  if ('fault' in decoded || decoded.value.id !== id) {
    const fault = 'fault' in decoded ? decoded.fault : 'id: is not that of the message'
    log.error({ id, fault }, 'A reply from a runner is not valid')
    pending.fail(id, new AppError('internal', undefined, { cause: new Error(fault) }))
  } else if (!pending.answer(decoded.value)) {
    log.debug({ id }, 'A reply came too late')
  }
}
