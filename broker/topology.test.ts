import { EventEmitter } from 'node:events'
import type { Channel } from 'amqplib'
import { describe, expect, it } from 'vitest'
import { readConfig } from '../core/config.ts'
import type { Log } from '../core/log.ts'
import { BrokerConfig, runTtlMs } from './config.ts'
import { assertTopology, describeTopology, namesOf } from './topology.ts'

const URL = 'amqp://user:secret@host'
const settings = readConfig(BrokerConfig, { AMQP_URL: URL })

describe('the settings', () => {
  it('have defaults for all but the URL', () => {
    expect(settings).toEqual({
      AMQP_URL: URL,
      QUEUE_PREFIX: 'runlet.',
      QUEUE_MAX_LENGTH: 100_000,
      RUN_QUEUE_MAX_LENGTH: 100,
      RUN_WAIT_MS: 30_000,
      RUN_ADOPTED_MARGIN_MS: 60_000,
      DELIVERY_LIMIT: 5,
    })
  })

  it.each([
    { AMQP_URL: 'http://user:secret@host' },
    { AMQP_URL: '' },
    { AMQP_URL: URL, QUEUE_PREFIX: 'a b' },
    { AMQP_URL: URL, QUEUE_MAX_LENGTH: '0' },
    { AMQP_URL: URL, RUN_QUEUE_TTL_MS: '5s' },
    { AMQP_URL: URL, DELIVERY_LIMIT: '-1' },
  ])('refuse %j without a word of the password', (environment) => {
    const read = () => readConfig(BrokerConfig, environment)
    expect(read).toThrow(/^The configuration is wrong/)
    expect(read).not.toThrow(/secret/)
  })
})

describe('the time that a run may wait for a runner', () => {
  it.each([
    [{}, 25_000],
    [{ RUN_WAIT_MS: '6000' }, 5_000],
    [{ RUN_WAIT_MS: '1' }, 1],
    [{ RUN_WAIT_MS: '6000', RUN_QUEUE_TTL_MS: '70' }, 70],
  ])('with %j is %i ms: its caller, who waits a little longer, hears why', (environment, milliseconds) => {
    expect(runTtlMs(readConfig(BrokerConfig, { AMQP_URL: URL, ...environment }))).toBe(milliseconds)
  })
})

describe('the topology', () => {
  it('is this, as a whole', () => {
    expect(describeTopology(settings, ['python'])).toEqual({
      exchanges: [
        { name: 'runlet.work', type: 'direct' },
        { name: 'runlet.dead-letters', type: 'fanout' },
      ],
      queues: [
        {
          name: 'runlet.dead-letters',
          exchange: 'runlet.dead-letters',
          arguments: { 'x-queue-type': 'classic' },
        },
        { name: 'runlet.parked', exchange: 'runlet.work', arguments: { 'x-queue-type': 'classic' } },
        {
          name: 'runlet.adopted',
          exchange: 'runlet.work',
          arguments: { 'x-queue-type': 'classic', 'x-dead-letter-exchange': 'runlet.dead-letters' },
        },
        {
          name: 'runlet.executions.python',
          exchange: 'runlet.work',
          arguments: {
            'x-queue-type': 'quorum',
            'x-delivery-limit': 5,
            'x-max-length': 100_000,
            'x-overflow': 'reject-publish',
            'x-dead-letter-exchange': 'runlet.dead-letters',
            'x-dead-letter-strategy': 'at-least-once',
          },
        },
        {
          name: 'runlet.runs.python',
          exchange: 'runlet.work',
          arguments: {
            'x-queue-type': 'classic',
            'x-message-ttl': 25_000,
            'x-max-length': 100,
            'x-overflow': 'reject-publish',
            'x-dead-letter-exchange': 'runlet.dead-letters',
          },
        },
      ],
    })
  })

  it('has two queues for each further language', () => {
    const names = describeTopology(settings, ['python', 'bash']).queues.map(({ name }) => name)
    expect(names.slice(5)).toEqual(['runlet.executions.bash', 'runlet.runs.bash'])
  })

  it('keeps every name under the prefix', () => {
    const names = namesOf('mine-')
    const { exchanges, queues } = describeTopology({ ...settings, QUEUE_PREFIX: 'mine-' }, ['python'])
    for (const name of [...exchanges, ...queues].map((item) => item.name).concat(names.replies('1')))
      expect(name).toMatch(/^mine-/)
  })
})

/** A broker that answers declarations of some names with an error code, and closes the channel then, as RabbitMQ does. */
class FakeBroker {
  readonly done: string[] = []
  channels = 0
  readonly #refused: ReadonlyMap<string, number>

  constructor(refused: Record<string, number> = {}) {
    this.#refused = new Map(Object.entries(refused))
  }

  open = async (): Promise<Channel> => {
    this.channels++
    const channel = new EventEmitter()
    let closed = false
    const act = (verb: string) => async (name: string) => {
      if (closed) throw new Error('Channel closed')
      const code = verb === 'declare' ? this.#refused.get(name) : undefined
      if (code === undefined) return this.done.push(`${verb} ${name}`)
      closed = true
      channel.emit('error', new Error('refused'))
      throw Object.assign(new Error('refused'), { code })
    }
    const close = async () => {
      closed = true
    }
    const methods = { assertExchange: act('declare'), assertQueue: act('declare'), bindQueue: act('bind'), close }
    return Object.assign(channel, methods) as unknown as Channel
  }
}

describe('declaring', () => {
  const topology = describeTopology({ ...settings, QUEUE_PREFIX: '' }, ['python'])
  const everything = [
    'declare work',
    'declare dead-letters',
    'declare dead-letters',
    'bind dead-letters',
    'declare parked',
    'bind parked',
    'declare adopted',
    'bind adopted',
    'declare executions.python',
    'bind executions.python',
    'declare runs.python',
    'bind runs.python',
  ]

  function warnings() {
    const names: unknown[] = []
    const log: Log = {
      debug: () => undefined,
      info: () => undefined,
      warn: (fields) => names.push((fields as { name: string }).name),
      error: () => undefined,
      child: () => log,
    }
    return { names, log }
  }

  it('goes through in order, on one channel', async () => {
    const broker = new FakeBroker()
    const { names, log } = warnings()
    await assertTopology(broker.open, topology, log)
    expect(broker.done).toEqual(everything)
    expect([broker.channels, names]).toEqual([1, []])
  })

  it('goes on with what exists with other arguments, and warns', async () => {
    const broker = new FakeBroker({ 'executions.python': 406, work: 406 })
    const { names, log } = warnings()
    await assertTopology(broker.open, topology, log)
    const refused = ['declare work', 'declare executions.python']
    expect(broker.done).toEqual(everything.filter((step) => !refused.includes(step)))
    expect([broker.channels, names]).toEqual([3, ['work', 'executions.python']])
  })

  it('fails on anything else', async () => {
    const broker = new FakeBroker({ 'runs.python': 403 })
    await expect(assertTopology(broker.open, topology, warnings().log)).rejects.toMatchObject({ code: 403 })
  })
})
