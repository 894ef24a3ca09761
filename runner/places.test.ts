import { describe, expect, it } from 'vitest'
import { FakeClock, settled } from '../tests/fakes/clock.ts'
import { MemoryLog } from '../tests/fakes/local.ts'
import { MemoryMetrics } from '../tests/fakes/metrics.ts'
import { FakeSandbox } from '../tests/fakes/sandbox.ts'
import { Places } from './places.ts'

function arrange() {
  const clock = new FakeClock()
  const log = new MemoryLog()
  let gone = 0
  const onGone = () => void gone++
  const places = new Places({
    ...{ language: 'python', metrics: new MemoryMetrics(), log, clock },
    ...{ destroyDeadlineMs: 1_000, onGone },
  })
  const ready = (name: string) => {
    const place = places.open()
    const sandbox = new FakeSandbox(name)
    places.welcome(place, sandbox)
    return { place, sandbox }
  }
  return { clock, log, places, ready, gone: () => gone }
}

describe('Places', () => {
  it('counts places by state from the first moment to the last', async () => {
    const { places, ready } = arrange()
    const starting = places.open()
    ready('a')
    ready('b')
    const claimed = places.take()
    expect(places.counts).toEqual({ starting: 1, idle: 1, claimed: 1, ending: 0 })
    if (claimed) await places.end(claimed)
    starting.enterGone()
    expect(places.counts).toEqual({ starting: 0, idle: 1, claimed: 0, ending: 0 })
  })

  it('gives the oldest first, and nothing when there is nothing', () => {
    const { places, ready } = arrange()
    ready('a')
    ready('b')
    expect([places.take()?.sandbox.name, places.take()?.sandbox.name, places.take()]).toEqual(['a', 'b', undefined])
  })

  it('ends a place once, also when it is asked for after it is gone', async () => {
    const { places, ready, gone } = arrange()
    const { place, sandbox } = ready('a')
    await Promise.all([places.end(place), places.end(place)])
    await places.end(place)
    expect([sandbox.destroyed, gone(), places.idle]).toEqual([1, 1, []])
  })

  it('settles when everything that is being ended is gone', async () => {
    const { places, ready } = arrange()
    const { place, sandbox } = ready('a')
    const slow = Promise.withResolvers<void>()
    sandbox.destroying = slow.promise
    void places.end(place)
    let done = false
    const settling = places.settle().then(() => {
      done = true
    })
    await settled()
    expect(done).toBe(false)
    slow.resolve()
    await settling
    expect(places.counts.ending).toBe(0)
  })

  it('ends the claimed ones when told to', async () => {
    const { places, ready } = arrange()
    const { sandbox } = ready('a')
    const idle = ready('b')
    places.take()
    places.endClaimed()
    await places.settle()
    expect([sandbox.destroyed, idle.sandbox.destroyed]).toEqual([1, 0])
  })

  it.each([
    ['fails', () => Promise.reject(new Error('refused'))],
    [
      'throws',
      () => {
        throw new Error('refused')
      },
    ],
    ['never ends', () => new Promise<never>(() => {})],
  ])('forgets a sandbox whose destruction %s, with a line in the log', async (_, destroy) => {
    const { clock, log, places, ready } = arrange()
    const { place, sandbox } = ready('a')
    sandbox.destroy = destroy
    const ended = places.end(place)
    await clock.advance(1_000)
    await ended
    expect(log.lines).toEqual(['error A sandbox could not be destroyed'])
    expect([places.counts.ending, clock.sleeping]).toEqual([0, 0])
  })
})
