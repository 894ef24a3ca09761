import { describe, expect, it } from 'vitest'
import { chooseUidRange, Uids } from './uid-range.ts'

describe('chooseUidRange', () => {
  it.each([
    ['a host', '         0          0 4294967295\n', 2_000_000_000],
    ['a container with 65,536 uids', '         0     100000      65536\n', 50_000],
    ['two extents, the second of which holds the range', '0 100000 1000\n1000 200000 100000\n', 50_000],
    ['a namespace of one uid', '         0       1000          1\n', undefined],
    ['an extent that ends inside of the range', '0 100000 59999\n', undefined],
    ['nothing', '', undefined],
  ])('finds unused uids in %s', (_what, map, first) => {
    expect(chooseUidRange(map)?.first).toBe(first)
  })
})

describe('Uids', () => {
  it('hands out each uid of the range before one comes again, from any start', () => {
    const uids = new Uids({ first: 100, count: 3 }, 1_000_001)
    expect([1, 2, 3, 4].map(() => uids.next())).toEqual([102, 100, 101, 102])
  })
})
