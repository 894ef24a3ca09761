import { describe, expect, it } from 'vitest'
import { FakeClock, settled } from '../tests/fakes/clock.ts'
import { WaitingLine, type WaitOptions } from './waiting-line.ts'

function arrange() {
  const clock = new FakeClock()
  const line = new WaitingLine<string>(clock)
  const served: string[] = []
  const wait = (name: string, options: WaitOptions) => {
    line.wait(options).then(
      (value) => served.push(`${name} got ${value}`),
      (error) => served.push(`${name}: ${error.code ?? error.message}`),
    )
  }
  return { clock, line, served, wait }
}

describe('WaitingLine', () => {
  it('serves runs first, each kind in its order', async () => {
    const { line, served, wait } = arrange()
    wait('first execution', { priority: 'execution' })
    wait('second execution', { priority: 'execution' })
    wait('first run', { priority: 'run' })
    wait('second run', { priority: 'run' })
    expect([line.length, line.count('run')]).toEqual([4, 2])
    const taken = ['a', 'b', 'c', 'd', 'e'].map((value) => line.serve(value))
    await settled()
    expect(taken).toEqual([true, true, true, true, false])
    expect(served).toEqual(['first run got a', 'second run got b', 'first execution got c', 'second execution got d'])
    expect(line.length).toBe(0)
  })

  it('sends a waiter away at its deadline, which is in Unix time', async () => {
    const { clock, line, served, wait } = arrange()
    wait('run', { priority: 'run', deadline: clock.now() + 100 })
    await clock.advance(99)
    expect(served).toEqual([])
    await clock.advance(1)
    expect(served).toEqual(['run: no_capacity'])
    expect(line.serve('a')).toBe(false)
  })

  it('sends a waiter whose deadline has passed away at once', async () => {
    const { clock, served, wait } = arrange()
    wait('run', { priority: 'run', deadline: clock.now() - 1 })
    await clock.advance(0)
    expect(served).toEqual(['run: no_capacity'])
  })

  it('lets a waiter leave', async () => {
    const { line, served, wait } = arrange()
    const leave = new AbortController()
    wait('run', { priority: 'run', signal: leave.signal })
    wait('other', { priority: 'run' })
    leave.abort(new Error('left'))
    line.serve('a')
    await settled()
    expect(served.sort()).toEqual(['other got a', 'run: left'])
  })

  it('does not let in who has left before', async () => {
    const { line, served, wait } = arrange()
    wait('run', { priority: 'run', signal: AbortSignal.abort(new Error('left')) })
    await settled()
    expect([served, line.length]).toEqual([['run: left'], 0])
  })

  it('sends some or all away', async () => {
    const { line, served, wait } = arrange()
    wait('execution', { priority: 'execution' })
    wait('run', { priority: 'run' })
    line.reject(new Error('held'), ['run'])
    await settled()
    expect(served).toEqual(['run: held'])
    line.reject(new Error('over'))
    await settled()
    expect(served).toEqual(['run: held', 'execution: over'])
  })

  it('leaves no timer behind, however a waiter left', async () => {
    const { clock, line, wait } = arrange()
    const leave = new AbortController()
    const deadline = clock.now() + 1_000
    wait('served', { priority: 'run', deadline })
    wait('rejected', { priority: 'execution', deadline })
    line.serve('a')
    wait('left', { priority: 'run', deadline, signal: leave.signal })
    leave.abort(new Error('left'))
    line.reject(new Error('over'))
    await settled()
    expect([clock.sleeping, line.length]).toEqual([0, 0])
  })
})
