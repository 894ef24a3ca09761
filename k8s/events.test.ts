import { describe, expect, it } from 'vitest'
import { FakeClock, settled } from '../tests/fakes/clock.ts'
import { MemoryLog } from '../tests/fakes/local.ts'
import { MemoryMetrics } from '../tests/fakes/metrics.ts'
import { describeEvent, EventWriter } from './events.ts'
import type { KubeRequest } from './http.ts'

const JOB = { apiVersion: 'batch/v1', kind: 'Job', namespace: 'sandboxes', name: 'python-abc', uid: 'u-1' }
const NOW = Date.UTC(2026, 0, 31, 12, 0, 0, 5)

describe('describeEvent', () => {
  it('is what the API server takes, about the very object', () => {
    const story = { reason: 'Warm', message: 'Its agent is ready' }
    expect(describeEvent(JOB, story, { component: 'runlet-runner', now: NOW })).toEqual({
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: expect.stringMatching(/^python-abc\.[0-9a-f]{20}$/), namespace: 'sandboxes' },
      involvedObject: JOB,
      type: 'Normal',
      reason: 'Warm',
      message: 'Its agent is ready',
      source: { component: 'runlet-runner' },
      firstTimestamp: '2026-01-31T12:00:00Z',
      lastTimestamp: '2026-01-31T12:00:00Z',
      count: 1,
    })
  })

  it('has a name that comes before that of a later one', () => {
    const nameAt = (now: number) =>
      describeEvent(JOB, { reason: 'Warm', message: '' }, { component: 'runlet-runner', now }).metadata.name
    for (let turn = 0; turn < 50; turn++) expect(nameAt(NOW) < nameAt(NOW + 1)).toBe(true)
  })

  it('is never longer than the API server takes', () => {
    const story = { type: 'Warning', reason: 'Lost', message: 'x'.repeat(5_000) } as const
    const { message, type } = describeEvent(JOB, story, { component: 'runlet-runner', now: NOW })
    expect({ length: message.length, type }).toEqual({ length: 1024, type: 'Warning' })
  })
})

interface Written {
  message: string
  firstTimestamp: string
}

/** A writer whose calls the test answers. */
function arrange(answer: () => Promise<unknown> = async () => undefined) {
  const written: Written[] = []
  const paths = new Set<string>()
  const [log, metrics, clock] = [new MemoryLog(), new MemoryMetrics(), new FakeClock(NOW)]
  const call = async <Answer>({ path, body }: KubeRequest) => {
    paths.add(path)
    written.push(body as Written)
    return (await answer()) as Answer
  }
  const writer = new EventWriter({ http: { call }, component: 'runlet-runner', log, metrics, clock })
  const tell = (...numbers: number[]) => {
    for (const number of numbers) writer.tell(JOB, { reason: 'Warm', message: `${number}` })
  }
  const messages = () => written.map(({ message }) => Number(message))
  const dropped = () => metrics.get('runlet_events_dropped_total')
  return { writer, tell, messages, written, paths, dropped, log, clock }
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

describe('the writer', () => {
  it('writes nothing in the turn in which it is told, then one after the other', async () => {
    const { tell, messages, paths, clock, dropped } = arrange()
    tell(1, 2)
    await settled()
    expect(messages()).toEqual([])
    await clock.advance(100)
    expect(messages()).toEqual([1])
    await clock.advance(100)
    expect(messages()).toEqual([1, 2])
    tell(3)
    await clock.advance(100)
    expect(messages()).toEqual([1, 2, 3])
    expect([...paths]).toEqual(['/api/v1/namespaces/sandboxes/events'])
    expect([clock.sleeping, dropped()]).toEqual([0, 0])
  })

  it('says when it happened, not when it was written', async () => {
    const { tell, written, clock } = arrange()
    tell(...numbers(30))
    await clock.advance(3_000)
    expect(new Set(written.map(({ firstTimestamp }) => firstTimestamp))).toEqual(new Set(['2026-01-31T12:00:00Z']))
  })

  it('keeps so many and no more, and counts the others', async () => {
    const { tell, messages, clock, dropped } = arrange()
    tell(...numbers(1_000))
    expect(dropped()).toBe(744)
    await clock.advance(60_000)
    expect(messages()).toEqual(numbers(256))
  })

  it('waits for an API server that is slow', async () => {
    const first = Promise.withResolvers<void>()
    const { tell, messages, clock } = arrange(() => first.promise)
    tell(1, 2)
    await clock.advance(10_000)
    expect(messages()).toEqual([1])
    first.resolve()
    await clock.advance(100)
    expect(messages()).toEqual([1, 2])
  })

  it('goes on when it is refused, says so once, and counts', async () => {
    let failing = true
    const { tell, log, clock, dropped } = arrange(() =>
      failing ? Promise.reject(new Error('forbidden')) : Promise.resolve(undefined),
    )
    tell(1, 2, 3)
    await clock.advance(1_000)
    expect(log.lines).toEqual(['warn An Event could not be written'])
    failing = false
    tell(4)
    await clock.advance(1_000)
    failing = true
    tell(5)
    await clock.advance(1_000)
    expect(log.lines).toHaveLength(2)
    expect(dropped()).toBe(4)
  })

  it('writes what waits when it ends, without pauses, and takes nothing more', async () => {
    const { writer, tell, messages, dropped, clock } = arrange()
    tell(...numbers(20))
    await writer[Symbol.asyncDispose]()
    expect(messages()).toEqual(numbers(20))
    tell(20)
    await clock.advance(1_000)
    expect([messages().length, dropped(), clock.sleeping]).toEqual([20, 1, 0])
  })

  it('does not hold up an end for an API server that does not answer', async () => {
    const { writer, tell, messages, dropped, clock } = arrange(() => new Promise(() => {}))
    tell(1, 2, 3)
    const ended = writer[Symbol.asyncDispose]()
    await clock.advance(2_000)
    await ended
    expect([messages(), dropped()]).toEqual([[1], 2])
  })
})
