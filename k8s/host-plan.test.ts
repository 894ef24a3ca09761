import { describe, expect, it } from 'vitest'
import { type ObservedHost, type ObservedHosts, planHosts } from './host-plan.ts'

const wanted = { slots: 4, executionsPerJob: 100, maxAgeMs: 60_000, keepIdleMs: 1000, startsAtOnce: 2 }
const host = (over: Partial<ObservedHost> = {}): ObservedHost => ({
  ...{ name: 'a', slots: 4, running: 0, executions: 1, ageMs: 10, idleMs: 0 },
  ...over,
})
const plan = (over: Partial<ObservedHosts>) =>
  planHosts({ serving: [], starting: 0, unbound: 0, waiting: 0, ...over }, wanted)

describe('planHosts', () => {
  it.each<[string, Partial<ObservedHosts>, number, string[]]>([
    ['nobody wants anything', {}, 0, []],
    ['somebody waits', { waiting: 1 }, 1, []],
    ['what is starting is enough for all who wait', { waiting: 4, starting: 1 }, 0, []],
    ['many wait: not all at once', { waiting: 40 }, 2, []],
    ['a slot is free', { serving: [host({ running: 3 })], unbound: 1 }, 0, []],
    [
      'a Job has had its executions: a successor, and it goes on',
      { serving: [host({ executions: 100 })], unbound: 2 },
      1,
      [],
    ],
    ['a Job has had its time', { serving: [host({ ageMs: 60_000 })], unbound: 1 }, 1, []],
    [
      'its successor is ready',
      { serving: [host({ executions: 100, running: 2 }), host({ name: 'b' })], unbound: 2 },
      0,
      ['a'],
    ],
    [
      'its successor is too small for all that it does',
      { serving: [host({ executions: 100, running: 4 }), host({ name: 'b', running: 2 })] },
      1,
      [],
    ],
    ['a worn one that nobody needs', { serving: [host({ executions: 100 })] }, 0, ['a']],
    ['one too many, for a while', { serving: [host({ idleMs: 1000 }), host({ name: 'b' })], unbound: 4 }, 0, ['a']],
    ['one too many, since just now', { serving: [host({ idleMs: 999 }), host({ name: 'b' })], unbound: 4 }, 0, []],
    ['all of them needed', { serving: [host({ idleMs: 5000 })], unbound: 1 }, 0, []],
  ])('%s', (_, observed, start, retire) => {
    expect(plan(observed)).toEqual({ start, retire })
  })
})
