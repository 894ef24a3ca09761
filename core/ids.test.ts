import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EXECUTION_ID, ExecutionIds } from './ids.ts'

const KEY = 'a key of thirty-two bytes or more'
const ids = new ExecutionIds(KEY)

describe('execution ids', () => {
  it('say when they were made, to the millisecond', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 47 }), (now) => {
        expect(ids.verify(ids.create(now))).toBe(now)
      }),
    )
  })

  it('are valid label values and fit into an annotation name', () => {
    const id = ids.create(Date.now())
    expect(id).toMatch(EXECUTION_ID)
    expect(`execution-${id}`.length).toBeLessThanOrEqual(63)
  })

  it('sort by the time they were made', () => {
    expect(ids.create(1000) < ids.create(2000)).toBe(true)
  })

  it('differ within the same millisecond', () => {
    expect(new Set(Array.from({ length: 1000 }, () => ids.create(1))).size).toBe(1000)
  })

  it('are refused when a single digit was changed', () => {
    const id = ids.create(1_700_000_000_000)
    for (let at = 0; at < id.length; at++) {
      const other = id[at] === '0' ? '1' : '0'
      expect(ids.verify(id.slice(0, at) + other + id.slice(at + 1))).toBeUndefined()
    }
  })

  it('are refused when another installation made them', () => {
    expect(new ExecutionIds('another key of enough length').verify(ids.create(1))).toBeUndefined()
  })

  it('are verified by every replica that has the key', () => {
    expect(new ExecutionIds(KEY).verify(ids.create(7))).toBe(7)
  })

  it.each(['', 'abc', 'z'.repeat(48), 'A'.repeat(48), '../../etc/passwd', '0'.repeat(47), '0'.repeat(49)])(
    'refuse what is no id at all: %j',
    (text) => {
      expect(ids.verify(text)).toBeUndefined()
    },
  )

  it('refuse a key that could be guessed', () => {
    expect(() => new ExecutionIds('short')).toThrow('at least 16 bytes')
  })
})
