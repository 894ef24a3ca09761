/**
 * How many Jobs of the nested tier one language needs, decided from numbers alone; k8s/language-hosts.ts carries it out. The rules:
 *
 * 1. There are slots for everybody: for executions that run, for slots that were handed out and wait for theirs, and for those who wait for a slot.
 * 2. A Job that has had its number of executions, or its age, is worn: it gets successors, and goes on until they are ready for all that it does. So nobody
 *    waits for a renewal, and a Job may have somewhat more executions than it should while its successor starts.
 * 3. Jobs that nobody needed for a while end, one at a time.
 */
export interface ObservedHost {
  name: string
  slots: number
  running: number
  /** That it ever began. */
  executions: number
  ageMs: number
  /** How long it has run nothing; 0 while it does. */
  idleMs: number
}

export interface ObservedHosts {
  /** Those that take executions. */
  serving: readonly ObservedHost[]
  starting: number
  /** Slots that were handed out and have no execution yet. */
  unbound: number
  /** Who waits for a slot. */
  waiting: number
}

export interface WantedHosts {
  /** Of a Job that is yet to be started. */
  slots: number
  executionsPerJob: number
  maxAgeMs: number
  keepIdleMs: number
  startsAtOnce: number
}

export interface HostActions {
  start: number
  /** Names of those that take no more executions from now on. */
  retire: readonly string[]
}

/** Decides; see the rules above. Pure. */
export function planHosts(observed: ObservedHosts, wanted: WantedHosts): HostActions {
  const { serving, starting, unbound, waiting } = observed
  const isWorn = (host: ObservedHost) => host.executions >= wanted.executionsPerJob || host.ageMs >= wanted.maxAgeMs
  const worn = serving.filter(isWorn)
  const fresh = serving.filter((host) => !isWorn(host))
  const demand = unbound + waiting + sum(serving, ({ running }) => running)
  const ready = sum(fresh, ({ slots }) => slots)
  const short = demand - ready - starting * wanted.slots
  const start = Math.max(0, Math.min(wanted.startsAtOnce - starting, Math.ceil(short / wanted.slots)))
  if (worn.length > 0) return { start, retire: ready >= demand ? worn.map(({ name }) => name) : [] }
  const spare = (host: ObservedHost) =>
    host.running === 0 && host.idleMs >= wanted.keepIdleMs && ready - host.slots >= demand
  const surplus = starting === 0 ? fresh.find(spare) : undefined
  return { start, retire: surplus ? [surplus.name] : [] }
}

function sum<Item>(items: readonly Item[], value: (item: Item) => number): number {
  return items.reduce((total, item) => total + value(item), 0)
}
