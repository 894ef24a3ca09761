import { describe, expect, inject, it } from 'vitest'
import { BrokerWorld, envelope, until } from '../helpers/broker-world.ts'

describe('the depths of the queues', () => {
  it('are those of what waits, and a queue that is not there is left out', async () => {
    await using world = await BrokerWorld.open(inject('amqpUrl'))
    const publisher = await world.publisher()
    const consumer = await world.consumer()
    await Promise.all(Array.from({ length: 3 }, () => publisher.schedule(envelope())))
    await until(async () => (await consumer.depths(['python'])).some(({ messages }) => messages === 3))
    const asked = [await consumer.depths(['ruby', 'python']), await consumer.depths(['python'])]
    const expected = [
      { language: 'python', queue: 'executions', messages: 3 },
      { language: 'python', queue: 'runs', messages: 0 },
      { language: 'all', queue: 'dead-letters', messages: 0 },
      { language: 'all', queue: 'parked', messages: 0 },
    ]
    expect(asked).toEqual([expected, expected])
  })
})
