import { describe, expect, it } from 'vitest'
import { FakeClock, settled } from '../tests/fakes/clock.ts'
import { Gate } from './gate.ts'
import type { Priority } from './waiting-line.ts'

function arrange({ capacity = 1, waitingRuns = 1 } = {}) {
  const clock = new FakeClock()
  const gate = new Gate({ capacity, waitingRuns, clock })
  const inside: string[] = []
  const enter = async (name: string, priority: Priority, deadline?: number) => {
    const pass = await gate.enter({ priority, deadline })
    inside.push(name)
    return pass
  }
  return { clock, gate, inside, enter }
}

describe('Gate', () => {
  it('lets in as many as its capacity and the next when one leaves', async () => {
    const { inside, enter } = arrange({ capacity: 2 })
    const first = await enter('first', 'execution')
    await enter('second', 'execution')
    void enter('third', 'execution')
    await settled()
    expect(inside).toEqual(['first', 'second'])
    first[Symbol.dispose]()
    await settled()
    expect(inside).toEqual(['first', 'second', 'third'])
  })

  it('lets runs in before scheduled executions', async () => {
    const { inside, enter } = arrange()
    using first = await enter('first', 'execution')
    void enter('execution', 'execution')
    void enter('run', 'run')
    first[Symbol.dispose]()
    await settled()
    expect(inside).toEqual(['first', 'run'])
  })

  it('tells a run at once when too many wait, but lets scheduled executions wait', async () => {
    const { enter } = arrange({ waitingRuns: 1 })
    await enter('first', 'run')
    void enter('waiting run', 'run')
    void enter('waiting execution', 'execution')
    void enter('waiting execution', 'execution')
    await expect(enter('run too many', 'run')).rejects.toMatchObject({ code: 'no_capacity' })
  })

  it('gives up a place once, however often it is left', async () => {
    const { inside, enter } = arrange()
    const first = await enter('first', 'run')
    first[Symbol.dispose]()
    first[Symbol.dispose]()
    await enter('second', 'run')
    void enter('third', 'run')
    await settled()
    expect(inside).toEqual(['first', 'second'])
  })

  it('does not keep a place for one whose deadline has passed', async () => {
    const { clock, inside, enter } = arrange()
    const first = await enter('first', 'run')
    const late = expect(enter('late', 'run', clock.now() + 10)).rejects.toMatchObject({ code: 'no_capacity' })
    await clock.advance(10)
    await late
    first[Symbol.dispose]()
    await enter('next', 'run')
    expect(inside).toEqual(['first', 'next'])
  })

  it('lets nobody in when it is closed, and sends those away who wait', async () => {
    const { gate, enter } = arrange()
    await enter('first', 'run')
    const waiting = expect(enter('waiting', 'execution')).rejects.toMatchObject({ code: 'shutting_down' })
    gate.close()
    await waiting
    await expect(enter('next', 'run')).rejects.toMatchObject({ code: 'shutting_down' })
  })
})
