import { describe, expect, it } from 'vitest'
import { FakeSandbox } from '../tests/fakes/sandbox.ts'
import { PooledSandbox } from './sandbox.ts'

function arrange() {
  const transitions: string[] = []
  const place = new PooledSandbox(5, (from, to) => void transitions.push(`${from} -> ${to}`))
  return { place, transitions }
}

/** Ways through the machine, as the methods that are called. */
const enter = {
  idle: (place: PooledSandbox) => place.enterIdle(new FakeSandbox(), 9),
  claimed: (place: PooledSandbox) => place.enterClaimed(),
  ending: (place: PooledSandbox) => place.enterEnding(),
  gone: (place: PooledSandbox) => place.enterGone(),
}
type Step = keyof typeof enter

const walk = (place: PooledSandbox, steps: readonly Step[]) => {
  for (const step of steps) enter[step](place)
}

const LEGAL: Step[][] = [['gone'], ['idle', 'claimed', 'ending', 'gone'], ['idle', 'ending', 'gone']]

const ILLEGAL: Step[][] = [
  ['claimed'],
  ['ending'],
  ['idle', 'idle'],
  ['idle', 'gone'],
  ['idle', 'claimed', 'idle'],
  ['idle', 'claimed', 'claimed'],
  ['idle', 'claimed', 'gone'],
  ['idle', 'ending', 'claimed'],
  ['idle', 'ending', 'ending'],
  ['gone', 'idle'],
  ['gone', 'gone'],
]

describe('PooledSandbox', () => {
  it.each(LEGAL)('goes starting, %s, %s, %s, %s and says each step once', (...path) => {
    const steps = path.filter((step) => step !== undefined)
    const { place, transitions } = arrange()
    walk(place, steps)
    const states = ['undefined', 'starting', ...steps]
    expect(transitions).toEqual(states.slice(1).map((state, index) => `${states[index]} -> ${state}`))
    expect(place.state).toBe('gone')
  })

  it.each(ILLEGAL.map((path) => [path.join(', '), path] as const))('refuses starting, %s', (_, path) => {
    const { place, transitions } = arrange()
    walk(place, path.slice(0, -1))
    const before = [...transitions]
    expect(() => walk(place, path.slice(-1))).toThrow(/can not become/)
    expect(transitions).toEqual(before)
  })

  it('has a sandbox only from when it is ready', () => {
    const { place } = arrange()
    expect(() => place.sandbox).toThrow('starting')
    const sandbox = new FakeSandbox()
    place.enterIdle(sandbox, 9)
    expect([place.sandbox, place.startedAt, place.readyAt]).toEqual([sandbox, 5, 9])
  })
})
