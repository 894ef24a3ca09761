import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Actions, holdOf, type Observed, type Pending, planPool, type Wanted } from './plan.ts'

const NOW = 1_000_000

const WANTED: Wanted = {
  warm: 3,
  least: 3,
  keep: 3,
  max: 10,
  refillAtOnce: 2,
  quietMs: 250,
  maxIdleMs: 60_000,
  holdAfter: 3,
  holdBaseMs: 1_000,
  holdCapMs: 60_000,
  provenMs: 5_000,
}

const QUIET: Observed = {
  ...{ idle: [], claimed: 0, ending: 0, claimedAt: -1 },
  failures: { count: 0, at: 0, reason: '' },
  crowding: undefined,
}

const failed = (count: number, ago: number) => ({ count, at: NOW - ago, reason: 'no nodes' })

const crowded = (count: number, ago: number, living: number) => ({ count, at: NOW - ago, living })

/** Idle sandboxes by their age in milliseconds, the oldest first; called a, b, c... */
const idle = (...ages: number[]) => ages.map((age, index) => ({ name: 'abcdefghij'.charAt(index), since: NOW - age }))

interface Row {
  rule: string
  observed?: Partial<Observed>
  wanted?: Partial<Wanted>
  pending?: Partial<Pending>
  expected: Partial<Actions>
}

const ROWS: Row[] = [
  { rule: 'fills an empty pool at once when nothing else is going on', expected: { start: 3, retire: [] } },
  { rule: 'counts what is idle', observed: { idle: idle(10) }, expected: { start: 2 } },
  { rule: 'counts starts in flight', pending: { starts: 2 }, expected: { start: 1 } },
  { rule: 'leaves a full pool alone', observed: { idle: idle(30, 20, 10) }, expected: { start: 0, retire: [] } },
  { rule: 'keeps nothing warm when nothing is wanted', wanted: { warm: 0 }, expected: { start: 0, retire: [] } },
  { rule: 'keeps no more warm than may live', wanted: { warm: 5, max: 2 }, expected: { start: 2 } },
  {
    rule: 'starts for a waiter with nothing warm wanted',
    wanted: { warm: 0 },
    pending: { waiters: 1 },
    expected: { start: 1 },
  },
  {
    rule: 'does not start again for a waiter whose start is in flight',
    wanted: { warm: 0 },
    pending: { waiters: 2, starts: 2 },
    expected: { start: 0 },
  },
  {
    rule: 'keeps warm ones besides those that waiters need',
    wanted: { refillAtOnce: 20 },
    pending: { waiters: 2, starts: 2 },
    expected: { start: 3 },
  },
  {
    rule: 'starts for every waiter, however many, and refills nothing meanwhile',
    pending: { waiters: 6 },
    expected: { start: 6 },
  },
  {
    rule: 'starts for waiters first when there is little room',
    wanted: { max: 4, refillAtOnce: 20 },
    pending: { waiters: 3 },
    expected: { start: 4 },
  },
  {
    rule: 'never lets more live than max, waiters or not',
    wanted: { max: 4 },
    observed: { claimed: 3 },
    pending: { waiters: 5 },
    expected: { start: 1 },
  },
  {
    rule: 'counts sandboxes that end: they still hold memory',
    wanted: { max: 4 },
    observed: { claimed: 2, ending: 2 },
    pending: { waiters: 5 },
    expected: { start: 0 },
  },
  {
    rule: 'counts starts in flight against max',
    wanted: { max: 4 },
    observed: { claimed: 1 },
    pending: { waiters: 5, starts: 3 },
    expected: { start: 0 },
  },
  { rule: 'refills a few at a time while executions run', observed: { claimed: 1 }, expected: { start: 2 } },
  {
    rule: 'waits for those few before it starts more',
    observed: { claimed: 1 },
    pending: { starts: 1 },
    expected: { start: 1 },
  },
  { rule: 'refills nothing beyond them', observed: { claimed: 1 }, pending: { starts: 2 }, expected: { start: 0 } },
  {
    rule: 'counts starts for waiters among those few',
    observed: { claimed: 4 },
    pending: { waiters: 1 },
    expected: { start: 2 },
  },
  {
    rule: 'is still busy a moment after the last claim, and plans again when it is over',
    observed: { claimedAt: NOW - 100 },
    expected: { start: 2, again: NOW + 150 },
  },
  { rule: 'is quiet after that moment', observed: { claimedAt: NOW - 250 }, expected: { start: 3 } },

  {
    rule: 'retires the oldest when fewer are wanted',
    wanted: { warm: 1 },
    observed: { idle: idle(30, 20, 10) },
    expected: { start: 0, retire: ['a', 'b'] },
  },
  {
    rule: 'retires all when none is wanted',
    wanted: { warm: 0 },
    observed: { idle: idle(30, 20) },
    expected: { retire: ['a', 'b'] },
  },
  {
    rule: 'retires nothing while somebody waits',
    wanted: { warm: 0 },
    observed: { idle: idle(30) },
    pending: { waiters: 1, starts: 1 },
    expected: { retire: [] },
  },
  {
    rule: 'retires down to max when max drops below warm',
    wanted: { max: 1 },
    observed: { idle: idle(30, 20) },
    expected: { start: 0, retire: ['a'] },
  },

  {
    rule: 'starts the successor of an aged sandbox before it ends it',
    observed: { idle: idle(70_000, 65_000, 10) },
    expected: { start: 1, retire: [] },
  },
  {
    rule: 'waits for the successor',
    observed: { idle: idle(70_000, 65_000, 10) },
    pending: { starts: 1 },
    expected: { start: 0, retire: [] },
  },
  {
    rule: 'ends the aged one when its successor is ready',
    observed: { idle: idle(70_000, 65_000, 10, 0) },
    expected: { start: 0, retire: ['a'] },
  },
  {
    rule: 'replaces the next only when the first is gone',
    observed: { idle: idle(65_000, 10, 0), ending: 1 },
    expected: { start: 0, retire: [] },
  },
  {
    rule: 'ends an aged one first when there is no room for both',
    wanted: { max: 3 },
    observed: { idle: idle(70_000, 65_000, 10) },
    expected: { start: 0, retire: ['a'] },
  },
  {
    rule: 'replaces nothing while executions run: claims take the oldest anyway',
    observed: { idle: idle(70_000, 20, 10), claimed: 1 },
    expected: { start: 0, retire: [] },
  },
  {
    rule: 'keeps aged ones while starting fails',
    observed: { idle: idle(70_000, 65_000, 60_000), failures: failed(3, 30_000) },
    expected: { start: 0, retire: [] },
  },
  {
    rule: 'plans again when the oldest comes of age',
    observed: { idle: idle(30_000, 20, 10) },
    expected: { again: NOW + 30_000 },
  },
  {
    rule: 'needs no alarm when only an event can change the plan',
    wanted: { warm: 0 },
    expected: { again: undefined },
  },

  {
    rule: 'takes a few failures in its stride',
    observed: { failures: failed(2, 1) },
    expected: { start: 3, held: undefined },
  },
  {
    rule: 'is held after repeated failures, and says why',
    observed: { failures: failed(3, 1) },
    expected: { start: 0, held: { reason: 'no nodes', until: NOW + 999 }, again: NOW + 999 },
  },
  {
    rule: 'starts nothing for waiters either during the pause',
    observed: { failures: failed(3, 1) },
    pending: { waiters: 4 },
    expected: { start: 0 },
  },
  { rule: 'tries one when the pause is over', observed: { failures: failed(3, 1_000) }, expected: { start: 1 } },
  {
    rule: 'tries one for waiters too',
    observed: { failures: failed(3, 1_000) },
    pending: { waiters: 4 },
    expected: { start: 1 },
  },
  {
    rule: 'tries no second one beside it',
    observed: { failures: failed(3, 1_000) },
    pending: { waiters: 4, starts: 1 },
    expected: { start: 0 },
  },
  {
    rule: 'tries nothing when nothing is short',
    observed: { failures: failed(3, 1_000), idle: idle(9_000, 8_000, 7_000) },
    expected: { start: 0 },
  },
  {
    rule: 'stays held, one at a time, until the new one has proven itself',
    observed: { failures: failed(3, 3_000), idle: idle(2_000) },
    expected: { start: 1, held: { reason: 'no nodes', until: NOW - 2_000 }, forgive: false, again: NOW + 3_000 },
  },
  {
    rule: 'is free when a new one has lived for a while',
    observed: { failures: failed(3, 9_000), idle: idle(5_000) },
    expected: { start: 2, held: undefined, forgive: true },
  },
  {
    rule: 'is not freed by one that was ready before the failure',
    observed: { failures: failed(3, 4_000), idle: idle(50_000) },
    expected: { forgive: false, start: 1 },
  },

  {
    rule: 'keeps more than it fills up to, and looks again whether it still should',
    wanted: { warm: 1, keep: 3, least: 1 },
    observed: { idle: idle(30, 20, 10) },
    expected: { start: 0, retire: [], again: NOW + 5_000 },
  },
  {
    rule: 'does not fill up to what it keeps',
    wanted: { warm: 1, keep: 3, least: 1 },
    observed: { idle: idle(30) },
    expected: { start: 0, retire: [] },
  },
  {
    rule: 'retires what is beyond that',
    wanted: { warm: 1, keep: 2, least: 1 },
    observed: { idle: idle(30, 20, 10) },
    expected: { retire: ['a'] },
  },

  {
    rule: 'stays as large as it is when the cluster has no room for more',
    observed: { idle: idle(30), claimed: 3, crowding: crowded(1, 10, 4) },
    pending: { waiters: 2 },
    expected: { start: 0, held: undefined, again: NOW + 990 },
  },
  {
    rule: 'replaces in a full cluster what has gone',
    observed: { claimed: 2, crowding: crowded(5, 10, 4) },
    pending: { waiters: 3 },
    expected: { start: 2 },
  },
  {
    rule: 'tries one more after a pause',
    observed: { claimed: 4, crowding: crowded(1, 1_000, 4) },
    pending: { waiters: 3 },
    expected: { start: 1 },
  },
  {
    rule: 'tries no second one beside it',
    observed: { claimed: 4, crowding: crowded(1, 1_000, 4) },
    pending: { waiters: 3, starts: 1 },
    expected: { start: 0 },
  },
  {
    rule: 'waits longer each time',
    observed: { claimed: 4, crowding: crowded(4, 7_999, 4) },
    pending: { waiters: 3 },
    expected: { start: 0, again: NOW + 1 },
  },
  {
    rule: 'needs no alarm for a full cluster when it wants nothing more of it',
    wanted: { warm: 0 },
    observed: { claimed: 4, crowding: crowded(1, 10, 4) },
    expected: { start: 0, again: undefined },
  },
]

describe('planPool', () => {
  it.each(ROWS)('$rule', ({ observed, wanted, pending, expected }) => {
    const size = { ...WANTED, ...wanted }
    const least = wanted?.least ?? size.warm
    const actions = planPool(
      { ...QUIET, ...observed },
      { ...size, least, keep: wanted?.keep ?? size.warm },
      { starts: 0, waiters: 0, ...pending },
      NOW,
    )
    expect(actions).toMatchObject(expected)
  })

  const anyObserved = fc.record({
    idle: fc.array(fc.nat(100_000), { maxLength: 8 }).map((ages) => idle(...ages.sort((a, b) => b - a))),
    claimed: fc.nat(12),
    ending: fc.nat(12),
    claimedAt: fc.nat(NOW),
    failures: fc.record({ count: fc.nat(20), at: fc.nat(NOW), reason: fc.constant('no nodes') }),
    crowding: fc.option(fc.record({ count: fc.integer({ min: 1, max: 20 }), at: fc.nat(NOW), living: fc.nat(12) }), {
      nil: undefined,
    }),
  })
  const anyWanted = fc
    .record({ least: fc.nat(4), more: fc.nat(8), kept: fc.nat(4), max: fc.nat(12), refillAtOnce: fc.nat(5) })
    .map(({ least, more, kept, ...size }) => ({
      ...WANTED,
      ...size,
      least,
      warm: least + more,
      keep: least + more + kept,
    }))
  const anyPending = fc.record({ starts: fc.nat(12), waiters: fc.nat(12) })

  it('never starts more than there is room for, and never less than nothing', () => {
    fc.assert(
      fc.property(anyObserved, anyWanted, anyPending, (observed, wanted, pending) => {
        const { start } = planPool(observed, wanted, pending, NOW)
        const living = observed.idle.length + observed.claimed + observed.ending + pending.starts
        expect(start).toBeGreaterThanOrEqual(0)
        expect(start === 0 || living + start <= wanted.max).toBe(true)
        const { crowding } = observed
        expect(start === 0 || !crowding || living + start <= crowding.living + 1).toBe(true)
      }),
    )
  })

  it('never retires what it has to start again at once', () => {
    fc.assert(
      fc.property(anyObserved, anyWanted, anyPending, (observed, wanted, pending) => {
        const { start, retire } = planPool(observed, wanted, pending, NOW)
        expect(start === 0 || retire.length === 0).toBe(true)
      }),
    )
  })

  it('asks to plan again only in the future', () => {
    fc.assert(
      fc.property(anyObserved, anyWanted, anyPending, (observed, wanted, pending) => {
        const { again } = planPool(observed, wanted, pending, NOW)
        expect(again === undefined || (again > NOW && Number.isFinite(again))).toBe(true)
      }),
    )
  })
})

describe('holdOf', () => {
  it('doubles the pause with each failure up to the cap', () => {
    const pause = (count: number) => (holdOf(failed(count, 0), WANTED)?.until ?? Number.NaN) - NOW
    expect([3, 4, 5, 8, 9, 60].map(pause)).toEqual([1_000, 2_000, 4_000, 32_000, 60_000, 60_000])
  })
})
