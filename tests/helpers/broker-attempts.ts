import { type Channel, connect } from 'amqplib'

/** What a broker user who has a right to names with a prefix only must not be able to do. */
export const BROKER_ATTEMPTS: readonly [
  what: string,
  attempt: (channel: Channel, prefix: string) => Promise<unknown>,
][] = [
  ['declare another queue', (channel) => channel.assertQueue('other')],
  ['declare a queue that RabbitMQ names', (channel) => channel.assertQueue('', { exclusive: true })],
  ['declare another exchange', (channel) => channel.assertExchange('other', 'fanout')],
  ['delete an exchange of RabbitMQ', (channel) => channel.deleteExchange('amq.direct')],
  ['publish through another exchange', (channel) => published(channel, 'amq.fanout')],
  ['publish past the exchanges', (channel) => published(channel, '')],
  ['listen to the traces of others', (channel, prefix) => bound(channel, prefix, 'amq.topic')],
  ['take from another queue', (channel) => channel.consume('other', () => undefined)],
  ['empty another queue', (channel) => channel.purgeQueue('other')],
  ['delete another queue', (channel) => channel.deleteQueue('other')],
]

/** Makes an attempt on a connection of its own. @throws Error in the broker's words when it is refused */
export async function attemptAt(url: string, attempt: (channel: Channel) => Promise<unknown>): Promise<void> {
  const connection = await connect(url)
  try {
    const channel = await connection.createChannel()
    channel.on('error', () => undefined)
    await attempt(channel)
  } finally {
    await connection.close()
  }
}

/** A publish is not answered: what was wrong with it closes the channel. */
function published(channel: Channel, exchange: string): Promise<unknown> {
  const refused = new Promise((_resolve, reject) => channel.once('error', reject))
  channel.publish(exchange, 'any', Buffer.alloc(0))
  return refused
}

async function bound(channel: Channel, prefix: string, exchange: string): Promise<void> {
  const { queue } = await channel.assertQueue(`${prefix}listener`, { exclusive: true })
  await channel.bindQueue(queue, exchange, '#')
}
