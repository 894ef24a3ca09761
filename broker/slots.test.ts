import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Slots } from './slots.ts'

describe('Slots', () => {
  it('has no room before it has a capacity', () => {
    expect(new Slots().room).toBe(0)
  })

  it('has room for what the consumers do not cover', () => {
    const slots = new Slots()
    slots.resize(3)
    expect(slots.room).toBe(3)
    slots.add('a', 3)
    expect(slots.room).toBe(0)
  })

  it('grows by one more consumer, without cancelling any', () => {
    const slots = new Slots()
    slots.resize(2)
    slots.add('a', 2)
    expect(slots.resize(5)).toEqual([])
    expect(slots.room).toBe(3)
  })

  it('cancels all to shrink, and gives room only as what they hold is done', () => {
    const slots = new Slots()
    slots.resize(3)
    slots.add('a', 3)
    for (let i = 0; i < 3; i++) slots.begin('a')
    expect(slots.resize(2)).toEqual(['a'])
    expect(slots.room).toBe(0)
    slots.end('a')
    expect(slots.room).toBe(0)
    slots.end('a')
    expect(slots.room).toBe(1)
    slots.end('a')
    expect(slots.room).toBe(2)
  })

  it('does not shrink for the same capacity', () => {
    const slots = new Slots()
    slots.resize(2)
    slots.add('a', 2)
    expect(slots.resize(2)).toEqual([])
    expect(slots.room).toBe(0)
  })

  it('counts what still arrives for a consumer that is cancelled', () => {
    const slots = new Slots()
    slots.resize(2)
    slots.add('a', 2)
    slots.resize(1)
    slots.begin('a')
    expect(slots.room).toBe(0)
    slots.begin('a')
    slots.end('a')
    expect(slots.room).toBe(0)
    slots.end('a')
    expect(slots.room).toBe(1)
  })

  it('forgets consumers without messages when the channel is lost', () => {
    const slots = new Slots()
    slots.resize(2)
    slots.add('a', 2)
    slots.begin('a')
    expect(slots.retireAll()).toEqual(['a'])
    expect(slots.room).toBe(1)
    slots.end('a')
    expect(slots.room).toBe(2)
    slots.end('a')
    expect(slots.room).toBe(2)
  })

  const step = fc.oneof(
    fc.record({ kind: fc.constant('resize' as const), capacity: fc.nat(8) }),
    fc.record({ kind: fc.constant('lose' as const) }),
    fc.record({ kind: fc.constant('deliver' as const), pick: fc.nat(20) }),
    fc.record({ kind: fc.constant('finish' as const), pick: fc.nat(20) }),
  )

  it('never lets more be in flight than the greatest of the capacity and what was in flight when it shrank, and is full again in the end', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const slots = new Slots()
        const live = new Map<string, { prefetch: number; inFlight: number }>()
        const flights: string[] = []
        let tags = 0
        let bound = 0
        const fill = () => {
          const { room } = slots
          if (room === 0) return
          const tag = `${++tags}`
          slots.add(tag, room)
          live.set(tag, { prefetch: room, inFlight: 0 })
        }
        const finish = (index: number) => {
          const [tag = ''] = flights.splice(index, 1)
          const lease = live.get(tag)
          if (lease !== undefined) lease.inFlight--
          slots.end(tag)
          fill()
        }
        for (const action of steps) {
          if (action.kind === 'resize') {
            for (const tag of slots.resize(action.capacity)) live.delete(tag)
            fill()
          } else if (action.kind === 'lose') {
            slots.retireAll()
            live.clear()
            fill()
          } else if (action.kind === 'deliver') {
            // A broker keeps to the prefetch of each consumer.
            const open = [...live].filter(([, lease]) => lease.inFlight < lease.prefetch)
            const chosen = open[action.pick % Math.max(1, open.length)]
            if (chosen === undefined) continue
            slots.begin(chosen[0])
            chosen[1].inFlight++
            flights.push(chosen[0])
          } else if (flights.length > 0) finish(action.pick % flights.length)
          bound = Math.max(slots.capacity, Math.min(bound, flights.length))
          expect(flights.length).toBeLessThanOrEqual(bound)
        }
        while (flights.length > 0) finish(0)
        const prefetches = [...live.values()].map(({ prefetch }) => prefetch)
        expect(prefetches.reduce((sum, prefetch) => sum + prefetch, 0)).toBe(slots.capacity)
      }),
    )
  })
})
