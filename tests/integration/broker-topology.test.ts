import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, inject, it } from 'vitest'
import { answering, BrokerWorld, envelope, until } from '../helpers/broker-world.ts'

const open = (changes = {}) => BrokerWorld.open(inject('amqpUrl'), changes)

describe('what is declared', () => {
  it('stays as it is when a setting has changed, with a warning that says what to do', async () => {
    await using world = await open()
    await world.publisher()
    const changed = await world.publisher({ QUEUE_MAX_LENGTH: 7, RUN_QUEUE_TTL_MS: 123 })
    const consumer = await world.consumer({ DELIVERY_LIMIT: 9 })
    await consumer.consume('python', 1, answering().handle)
    await changed.schedule(envelope())
    expect((await changed.run(envelope('still works'), 10_000))?.result.stdout).toBe('still works')
    const warnings = world.log.lines.filter(({ level }) => level === 'warn')
    const expected = [
      ...['python', 'javascript'].flatMap((name) => [world.names.executions(name), world.names.runs(name)]),
      world.names.executions('python'),
    ]
    expect(warnings.map(({ fields }) => (fields as { name: string }).name)).toEqual(expected)
    expect(warnings[0]?.message).toContain(`rabbitmqctl delete_queue ${world.names.executions('python')} --if-empty`)
  })

  it('is declared again when somebody deleted the queue, and no execution vanishes meanwhile', async () => {
    await using world = await open()
    const publisher = await world.publisher()
    await world.channel.deleteQueue(world.names.executions('python'))
    await world.channel.deleteQueue(world.names.runs('python'))
    const attempts = [publisher.schedule(envelope()), publisher.run(envelope(), 30_000)]
    const outcomes = await Promise.allSettled(attempts)
    for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: { code: 'queue_unavailable' } })
    await until(() =>
      publisher.schedule(envelope()).then(
        () => true,
        () => false,
      ),
    )
  })

  it('is declared and consumed again when somebody deletes the queue under a consumer', async () => {
    await using world = await open()
    const publisher = await world.publisher()
    const { deliveries, handle } = answering()
    const consumer = await world.consumer()
    await consumer.consume('python', 1, handle)
    await world.channel.deleteQueue(world.names.executions('python'))
    await until(() =>
      publisher.schedule(envelope()).then(
        () => true,
        () => false,
      ),
    )
    await until(() => deliveries.length === 1)
  })

  it('has names under one prefix only, and two installations do not see each other', async () => {
    await using first = await open()
    await using second = await open()
    const publishers = [await first.publisher(), await second.publisher()]
    await (await first.consumer()).consume('python', 1, answering().handle)
    expect((await publishers[0]?.run(envelope('mine'), 10_000))?.result.stdout).toBe('mine')
    expect(await publishers[1]?.run(envelope('not mine'), 300)).toBeUndefined()
  })
})

/** Connects, makes a round trip, closes, and must then end by itself: whatever is left open keeps it alive. */
const PROGRAM = `
import { connectConsumer } from './broker/consumer.ts'
import { connectPublisher } from './broker/publisher.ts'
import { answering, envelope, LogLines, until } from './tests/helpers/broker-world.ts'
const settings = JSON.parse(process.argv[1])
const log = new LogLines()
{
  await using publisher = await connectPublisher({ settings, languages: ['python'], log })
  await using consumer = await connectConsumer({ settings, log })
  await consumer.consume('python', 2, answering().handle)
  await consumer.consumeDeadLetters(answering().handle)
  await until(() => publisher.connected && consumer.connected)
  await publisher.run(envelope(), 60_000)
  await publisher.schedule(envelope())
  publisher.run(envelope('1', 'javascript'), 60_000).catch((error) => console.log('waiting run:', error.code))
}
console.log(log.of('warn').concat(log.of('error')).join() || 'quiet')
`

describe('closing', () => {
  it('leaves nothing open: a process that has closed all ends by itself', async () => {
    await using world = await open()
    await world.publisher()
    const args = ['--input-type=module', '--eval', PROGRAM, JSON.stringify(world.settings)]
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 30_000 })
    expect(stdout.trim().split('\n')).toEqual(['waiting run: shutting_down', 'quiet'])
  })
})
