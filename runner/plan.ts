/**
 * What one language's pool should do next, decided from numbers alone; runner/language-pool.ts carries it out. The rules, in the order in which they win:
 *
 * 1. Never more than `max` sandboxes live at a time, whatever their state: one that ends still holds its memory.
 * 2. After `holdAfter` failed starts in a row the pool is held: nothing is started until a pause is over that doubles with each further failure, then one at a time.
 * 3. Each waiter gets a start, if none is on its way for it already.
 * 4. `warm` sandboxes are kept idle besides (runner/demand.ts says how many). While executions wait, run or came a moment ago, no more than `refillAtOnce` starts are
 *    in flight for that.
 * 5. More idle sandboxes than `keep` are retired, the oldest first.
 * 6. A sandbox idle for `maxIdleMs` is replaced, so that images and nodes roll: one at a time, the new one first where there is room.
 * 7. Where the cluster had no room for one more (a quota, full nodes), no more than lived then are started. One more is tried after a pause that doubles.
 *
 * All times are monotonic milliseconds.
 */
export interface Observed {
  /** Ready and unclaimed, the oldest first; `since` is when it became ready. */
  idle: readonly { name: string; since: number }[]
  claimed: number
  ending: number
  /** When a sandbox was last claimed. */
  claimedAt: number
  failures: Failures
  crowding: Crowding | undefined
}

/** The cluster had no room for one more sandbox. */
export interface Crowding {
  /** How often in a row. */
  count: number
  /** When it last said so. */
  at: number
  /** How many lived then, besides the one that was refused. */
  living: number
}

/** Starts that failed since a sandbox last proved that starting works. */
export interface Failures {
  count: number
  /** When the last of them failed. */
  at: number
  reason: string
}

export interface Wanted {
  warm: number
  /** What `warm` is without any demand. */
  least: number
  /** At least `warm`: so many idle ones are left alone. */
  keep: number
  max: number
  refillAtOnce: number
  /** How long after the last claim the pool still counts as busy. */
  quietMs: number
  maxIdleMs: number
  holdAfter: number
  holdBaseMs: number
  holdCapMs: number
  /** A sandbox that stays ready this long proves that starting works again. */
  provenMs: number
}

/** Starts in flight (counted before they are made), and claims that wait. */
export interface Pending {
  starts: number
  waiters: number
}

export interface Hold {
  reason: string
  until: number
}

export interface Actions {
  /** How many sandboxes to start now. */
  start: number
  /** Names of idle sandboxes to end now. */
  retire: readonly string[]
  /** Why nothing, or only one at a time, is started. */
  held: Hold | undefined
  /** Starting works again: forget the failures. */
  forgive: boolean
  /** When to plan again even if nothing happens; undefined when only an event can change the plan. */
  again: number | undefined
}

export const NO_FAILURES: Failures = { count: 0, at: 0, reason: '' }

/** How often a pool that keeps more than it wants looks whether it still should. */
const GIVE_BACK_MS = 5_000

/** Decides; see the rules above. Pure. */
export function planPool(observed: Observed, wanted: Wanted, pending: Pending, now: number): Actions {
  const forgive = isProven(observed, wanted, now)
  const held = forgive ? undefined : holdOf(observed.failures, wanted)
  const ceiling = ceilingOf(observed.crowding, wanted, now)
  const warm = Math.min(wanted.warm, wanted.max)
  const keep = Math.min(Math.max(wanted.keep, warm), wanted.max)
  const living = observed.idle.length + observed.claimed + observed.ending + pending.starts
  const room = Math.max(0, Math.min(wanted.max, ceiling) - living)
  const surplus = pending.waiters > 0 ? 0 : Math.max(0, observed.idle.length - keep)
  const rest = observed.idle.slice(surplus)
  const spare = Math.max(0, pending.starts - pending.waiters)
  const short = Math.max(0, warm - rest.length - spare)
  const busyUntil = pending.waiters > 0 || observed.claimed > 0 ? Infinity : observed.claimedAt + wanted.quietMs
  const busy = now < busyUntil

  const calm = !busy && !held && surplus === 0 && observed.ending === 0 && pending.starts === 0 && short === 0
  const replace = calm && rest.some((place) => now - place.since >= wanted.maxIdleMs)
  const retired = observed.idle.slice(0, replace && room === 0 ? 1 : surplus)

  const forWaiters = Math.max(0, pending.waiters - pending.starts)
  const atOnce = busy ? Math.max(0, wanted.refillAtOnce - pending.starts - forWaiters) : Infinity
  const asked = forWaiters + Math.min(atOnce, short + (replace ? 1 : 0))
  const allowed = held ? probes(held, pending, now) : Infinity

  return {
    start: Math.min(room, asked, allowed),
    retire: retired.map((place) => place.name),
    held,
    forgive,
    again: earliestAfter(now, [
      held?.until,
      observed.failures.count > 0 ? provenAt(observed, wanted) : undefined,
      busy ? busyUntil : undefined,
      rest[0] && rest[0].since + wanted.maxIdleMs,
      rest.length > Math.min(wanted.least, wanted.max) ? now + GIVE_BACK_MS : undefined,
      observed.crowding && (short > 0 || pending.waiters > 0) ? retryAt(observed.crowding, wanted) : undefined,
    ]),
  }
}

/** The pause after the last failure, or undefined while failures are too few to mean anything. */
export function holdOf(failures: Failures, wanted: Wanted): Hold | undefined {
  if (failures.count < wanted.holdAfter) return undefined
  const pause = Math.min(wanted.holdCapMs, wanted.holdBaseMs * 2 ** (failures.count - wanted.holdAfter))
  return { reason: failures.reason, until: failures.at + pause }
}

/** How many may live; one more than that when it is time to try again. */
function ceilingOf(crowding: Crowding | undefined, wanted: Wanted, now: number): number {
  if (!crowding) return Infinity
  return now >= retryAt(crowding, wanted) ? crowding.living + 1 : crowding.living
}

function retryAt({ count, at }: Crowding, { holdBaseMs, holdCapMs }: Wanted): number {
  return at + Math.min(holdCapMs, holdBaseMs * 2 ** (count - 1))
}

/** A held pool tries one start at a time, and none during its pause. */
function probes(held: Hold, pending: Pending, now: number): number {
  return now >= held.until && pending.starts === 0 ? 1 : 0
}

/** A sandbox that was ready before the failure says nothing about starting now. */
function provenAt({ idle, failures }: Observed, wanted: Wanted): number | undefined {
  const witness = idle.find((place) => place.since >= failures.at)
  return witness && witness.since + wanted.provenMs
}

function isProven(observed: Observed, wanted: Wanted, now: number): boolean {
  const at = observed.failures.count > 0 ? provenAt(observed, wanted) : undefined
  return at !== undefined && now >= at
}

function earliestAfter(now: number, times: readonly (number | undefined)[]): number | undefined {
  const coming = times.filter((time) => time !== undefined && time > now && time !== Infinity) as number[]
  return coming.length > 0 ? Math.min(...coming) : undefined
}
