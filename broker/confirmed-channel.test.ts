import { EventEmitter } from 'node:events'
import type { ConfirmChannel } from 'amqplib'
import { describe, expect, it } from 'vitest'
import { ConfirmedChannel } from './confirmed-channel.ts'

const PATIENCE_MS = 40
const LONG_MS = 60_000

/** As much of amqplib's channel as there is to see: confirms come when the test says so. */
class FakeChannel extends EventEmitter {
  readonly sent: { queue: string; confirm: (error: Error | null) => void }[] = []
  closed = false

  publish(_: string, queue: string, __: Buffer, ___: object, confirm: (error: Error | null) => void): boolean {
    if (this.closed) throw new Error('Channel closed')
    this.sent.push({ queue, confirm })
    return true
  }

  /** As amqplib does it: its own listener, which was there first, fails what waits. */
  close(): void {
    this.closed = true
    this.emit('close')
  }
}

function open(patienceMs: number) {
  const fake = new FakeChannel()
  fake.on('close', () => {
    for (const { confirm } of fake.sent) confirm(new Error('channel closed'))
  })
  const confirmed = new ConfirmedChannel(fake as unknown as ConfirmChannel, 'work', patienceMs)
  const publish = (messageId: string, queue = 'q') => confirmed.publish(queue, Buffer.from('x'), { messageId })
  return { fake, publish }
}

describe('ConfirmedChannel', () => {
  it('tells a confirm from a refusal, for each message', async () => {
    const { fake, publish } = open(LONG_MS)
    const outcomes = [publish('a'), publish('b')]
    fake.sent[1]?.confirm(new Error('message nacked'))
    fake.sent[0]?.confirm(null)
    expect(await Promise.all(outcomes)).toEqual(['confirmed', 'refused'])
  })

  it('tells what no queue took', async () => {
    const { fake, publish } = open(LONG_MS)
    const outcomes = [publish('a'), publish('b')]
    fake.emit('return', { properties: { messageId: 'a' } })
    fake.emit('return', { properties: { messageId: 'unknown' } })
    for (const { confirm } of fake.sent) confirm(null)
    expect(await Promise.all(outcomes)).toEqual(['unroutable', 'confirmed'])
  })

  it('tells what may have got through from what certainly did not', async () => {
    const { fake, publish } = open(LONG_MS)
    const inFlight = publish('a')
    fake.close()
    expect(await inFlight).toBe('broken')
    expect(await publish('b')).toBe('unsent')
  })

  it('bears silence only so long, and then sends nothing more to that queue', async () => {
    const { fake, publish } = open(PATIENCE_MS)
    expect(await publish('a')).toBe('silent')
    expect(await publish('b')).toBe('unsent')
    expect(fake.sent).toHaveLength(1)
  })

  it('sends again as soon as something is confirmed, however late', async () => {
    const { fake, publish } = open(PATIENCE_MS)
    await publish('a')
    fake.sent[0]?.confirm(null)
    const next = publish('b')
    fake.sent[1]?.confirm(null)
    expect(await next).toBe('confirmed')
  })

  it('waits for a slow message while others of its queue are confirmed', async () => {
    const { fake, publish } = open(PATIENCE_MS)
    let settled = false
    const slow = publish('slow').finally(() => {
      settled = true
    })
    for (let i = 0; i < 8; i++) {
      const other = publish(`other ${i}`)
      await new Promise((resolve) => setTimeout(resolve, PATIENCE_MS / 4))
      fake.sent.at(-1)?.confirm(null)
      expect(await other).toBe('confirmed')
    }
    expect(settled).toBe(false)
    fake.sent[0]?.confirm(null)
    expect(await slow).toBe('confirmed')
  })

  it('takes the silence of one queue for that of no other', async () => {
    const { fake, publish } = open(PATIENCE_MS)
    expect(await publish('a', 'silent queue')).toBe('silent')
    const other = publish('b', 'another')
    fake.sent[1]?.confirm(null)
    expect(await other).toBe('confirmed')
  })
})
