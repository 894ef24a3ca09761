import { readFileSync } from 'node:fs'
import { connect } from 'amqplib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { attemptAt, BROKER_ATTEMPTS } from '../helpers/broker-attempts.ts'
import { answering, BrokerWorld, envelope, until } from '../helpers/broker-world.ts'
import { type RabbitmqServer, startRabbitmq } from '../helpers/rabbitmq-server.ts'

/** What the chart's RabbitMQ is started with, from the chart itself: users and permissions, with a password and the expression for the names put in. */
function chartDefinitions(password: string, names: string): { users: { tags: unknown }[] } {
  const template = readFileSync(new URL('../../charts/runlet/templates/rabbitmq.yaml', import.meta.url), 'utf8')
  const [, format = ''] = /printf '(\{.*\})' /.exec(template) ?? []
  const values = [password, names, names, names]
  return JSON.parse(format.replaceAll('%s', () => values.shift() ?? ''))
}

let server: RabbitmqServer
const url = () => `amqp://runlet:not-A_secret1@127.0.0.1:${server.port}`

beforeAll(async () => {
  server = await startRabbitmq(chartDefinitions('not-A_secret1', '^test-'))
})
afterAll(() => server[Symbol.asyncDispose]())

describe("the chart's RabbitMQ", () => {
  it('has one user, who is no administrator, and no guest', async () => {
    expect(chartDefinitions('x', 'x').users).toMatchObject([{ name: 'runlet', tags: [] }])
    await expect(connect(`amqp://guest:guest@127.0.0.1:${server.port}`)).rejects.toThrow(/ACCESS_REFUSED|403|closed/i)
  })
})

describe('a user with a right to names with our prefix only', () => {
  it('can do all that Runlet does: scheduling, running with a reply, giving up, counting callers', async () => {
    await using world = await BrokerWorld.open(url(), { DELIVERY_LIMIT: 0 })
    const publisher = await world.publisher()
    const consumer = await world.consumer()
    const { deliveries, handle } = answering()
    await consumer.consume('python', 2, async (delivery) => {
      await handle(delivery)
      return delivery.reply === undefined ? 'dead-letter' : 'ack'
    })
    const dead = answering()
    await consumer.consumeDeadLetters(dead.handle)
    expect((await publisher.run(envelope('hello'), 10_000))?.result.stdout).toBe('hello')
    const scheduled = { ...envelope(), caller: 'a'.repeat(16) }
    await publisher.schedule(scheduled, 5)
    await until(() => dead.deliveries.length === 1)
    expect([deliveries.length, dead.deliveries[0]?.envelope.id]).toEqual([2, scheduled.id])
    await until(async () => (await world.depth(world.names.tickets(scheduled.caller))) === 0)
    await world.channel.deleteQueue(world.names.tickets(scheduled.caller))
    expect([...world.log.of('warn'), ...world.log.of('error')]).toEqual([])
  })

  it.each(BROKER_ATTEMPTS)('can not %s', async (_, attempt) => {
    await expect(attemptAt(url(), (channel) => attempt(channel, 'test-'))).rejects.toThrow(/ACCESS_REFUSED/)
  })
})
