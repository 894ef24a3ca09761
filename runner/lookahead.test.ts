import { describe, expect, it } from 'vitest'
import { FakeClock } from '../tests/fakes/clock.ts'
import { Lookahead } from './lookahead.ts'

function arrange(most = 24) {
  const clock = new FakeClock()
  const changes: number[] = []
  const lookahead = new Lookahead({ step: 8, most, clock, onChange: (ahead) => changes.push(ahead) })
  /** So many linger for so long. */
  const linger = async (count: number, milliseconds: number) => {
    const all = Array.from({ length: count }, () => lookahead.linger())
    await clock.advance(milliseconds)
    for (const one of all) one[Symbol.dispose]()
  }
  return { lookahead, changes, linger, clock }
}

describe('the lookahead', () => {
  it('is a step at first, and stays so while few linger', async () => {
    const { lookahead, changes, linger } = arrange()
    for (let round = 0; round < 20; round++) await linger(7, 1_000)
    expect([lookahead.ahead, changes]).toEqual([8, []])
  })

  it('grows before all of it lingers, to its limit', async () => {
    const { lookahead, changes, linger } = arrange()
    await linger(8, 100)
    expect(changes).toEqual([16])
    await linger(100, 100)
    expect(changes).toEqual([16, 24])
    expect(lookahead.ahead).toBe(24)
  })

  it('does not follow each group of records up and down', async () => {
    const { changes, linger, clock } = arrange()
    for (let round = 0; round < 20; round++) {
      await linger(12, 800)
      await clock.advance(200)
    }
    expect(changes).toEqual([16])
  })

  it('shrinks when fewer linger for a while', async () => {
    const { changes, linger } = arrange()
    await linger(20, 1_000)
    for (let round = 0; round < 11; round++) await linger(1, 1_000)
    expect(changes).toEqual([16, 24, 8])
  })

  it('shrinks after a pause', async () => {
    const { changes, linger, clock } = arrange()
    await linger(20, 1_000)
    await clock.advance(60_000)
    await linger(1, 0)
    expect(changes).toEqual([16, 24, 8])
  })

  it('is nothing where nothing is to be taken ahead', async () => {
    const { lookahead, changes, linger } = arrange(0)
    await linger(20, 100)
    expect([lookahead.ahead, changes]).toEqual([0, []])
  })
})
