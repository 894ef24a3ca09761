import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { eventually } from '../../helpers/cluster.ts'
import { type Ask, isWhole, Load } from './load.ts'
import { type FaultLine, report } from './report.ts'
import { jobsOf, leasesOf, livingPods } from './sandbox-facts.ts'

/** A Runlet under test, wherever its processes are; its sandboxes are in a cluster. */
export interface World extends AsyncDisposable {
  readonly where: FaultLine['where']
  /** The namespace of the sandboxes. */
  readonly namespace: string
  readonly ask: Ask
  readonly replicas: number
  /** Runners that live when nothing is broken. */
  readonly runners: number
  /** Messages by queue. */
  depths(): Promise<Record<string, number>>
  /** Timers and sockets by process. */
  resources(): Promise<Record<string, Resources>>
  /** For whoever looks why something failed. */
  story(): Promise<string>
}

export interface Resources {
  sockets: number
  timers: number
  /** Sandboxes that a runner holds ready. */
  idle: number
  /** Sandboxes that have an execution. */
  claimed: number
}

/** How hard: the whole load, or the short one that CI has time for. */
export const SHORT = process.env.FAULTS === 'short'
const SCHEDULED = SHORT ? 16 : 60
const IN_FLIGHT = SHORT ? 4 : 10
/** Of these, how many have their sandbox: what breaks streams and sandboxes must find some. */
const AT_WORK = SHORT ? 2 : 6
/** Where a pod is started each second, this long a program keeps so many of them at work. */
const SECONDS = SHORT ? 1.5 : 6
const MORE = SHORT ? 4 : 10
/** A pod costs a second of CPU, and the machine may be busy with other things. */
const SETTLE_MS = SHORT ? 180_000 : 480_000
const BUSY_MS = 180_000
/** Beyond the longest that anything is away. */
const NORMAL_MS = 420_000
const CLEAN_MS = 150_000
/** What an API may hold open beyond what it did when it was quiet: connections that are kept for a minute. */
const SPARE = 8

export interface FaultOptions {
  /** How long a program sleeps. */
  seconds?: number
}

/**
 * Breaks something while Runlet is busy, and holds the whole promise against what came of it: every accepted execution has one result, whole, that stays; callers
 * of runs heard in time; nothing is left over. Then writes the fault's line.
 */
export async function fault(
  name: string,
  world: World,
  act: (load: Load) => Promise<unknown>,
  { seconds = SECONDS }: FaultOptions = {},
): Promise<void> {
  const load = new Load({ ask: world.ask, scheduled: SCHEDULED, seconds })
  await untilQuiet(world)
  const before = await world.resources()
  try {
    await load.start()
    const inFlight = await untilBusy(world, load)
    const brokenAt = performance.now()
    const normal = untilNormal(world.ask, brokenAt)
    await Promise.all([act(load), sleep(300).then(() => load.schedule(MORE))])
    const normalAfterMs = await normal
    await load.stop()
    const missing = await load.settle(SETTLE_MS)
    const doneAfterMs = performance.now() - brokenAt
    const line = await assess(name, world, load, { inFlight, normalAfterMs, doneAfterMs, missing })
    report(line)
    expect({ doubled: line.doubled, lost: line.lost, recorded: line.recorded }).toEqual({
      ...{ doubled: 0, lost: 0 },
      recorded: line.accepted,
    })
    await untilQuiet(world, before)
  } catch (error) {
    await load.stop().catch(() => {})
    throw new Error(`${name}\n${await world.story()}`, { cause: error })
  }
}

interface Measured extends Pick<FaultLine, 'inFlight' | 'normalAfterMs' | 'doneAfterMs'> {
  missing: readonly string[]
}

async function assess(name: string, world: World, load: Load, measured: Measured): Promise<FaultLine> {
  const jobs = await jobsOf(world.namespace)
  const holders = new Map<string, number>()
  for (const id of jobs.flatMap(({ records }) => records)) holders.set(id, (holders.get(id) ?? 0) + 1)
  const whole = [...load.finals].filter(
    ([id, { status, stdout }]) => status === 'succeeded' && isWhole(stdout, load.accepted.get(id) ?? -1),
  )
  const twice = [...load.accepted.keys()].filter((id) => (holders.get(id) ?? 0) > 1)
  const changed = await load.changed(world.replicas)
  const lost = [...load.finals.values()].filter(({ status }) => status === 'lost').length
  return {
    fault: name,
    where: world.where,
    inFlight: measured.inFlight,
    accepted: load.accepted.size,
    recorded: whole.filter(([id]) => (holders.get(id) ?? 0) > 0).length,
    doubled: new Set([...twice, ...changed]).size,
    lost: lost + measured.missing.length,
    refused: load.refused,
    longestRunMs: Math.round(load.longestRunMs),
    normalAfterMs: Math.round(measured.normalAfterMs),
    doneAfterMs: Math.round(measured.doneAfterMs),
  }
}

/** Waits until enough is taken and not yet done; how many that are. */
async function untilBusy(world: World, load: Load): Promise<number> {
  const busy = async () => {
    const [jobs, depths, resources] = await Promise.all([jobsOf(world.namespace), world.depths(), world.resources()])
    const done = jobs.filter(({ records }) => records.some((id) => load.accepted.has(id))).length
    const waiting = Object.values(depths).reduce((sum, depth) => sum + depth, 0)
    const taken = load.accepted.size - done - waiting
    const atWork = Object.values(resources).reduce((sum, { claimed }) => sum + claimed, 0)
    return taken >= IN_FLIGHT && atWork >= AT_WORK && taken
  }
  return await eventually(`${IN_FLIGHT} executions are in flight`, busy, BUSY_MS)
}

/** From the fault until a run that began after it succeeded. */
async function untilNormal(ask: Ask, brokenAt: number): Promise<number> {
  const body = { language: 'python', code: 'print(1)' }
  await sleep(50)
  await eventually(
    'a run succeeds',
    async () => {
      const answer = await ask('/api/run/', { body })
      return answer.status === 200 && answer.json<{ status: string }>().status === 'succeeded'
    },
    NORMAL_MS,
  )
  return performance.now() - brokenAt
}

/** Waits until nothing is left of any work: no Job, pod, Lease or message without an owner; with `before`, no timer or socket that was not there then. */
async function untilQuiet(world: World, before?: Record<string, Resources>): Promise<void> {
  let seen: unknown
  const quiet = async () => {
    const [jobs, pods, leases, depths] = await Promise.all([
      jobsOf(world.namespace),
      livingPods(world.namespace),
      leasesOf(world.namespace),
      world.depths(),
    ])
    const now = await world.resources()
    const unfinished = jobs.filter(({ state }) => state !== 'finished').map(({ name, state }) => `${name} ${state}`)
    const warm = unfinished.filter((text) => text.endsWith(' warm')).length
    const idle = Object.values(now).reduce((sum, one) => sum + one.idle, 0)
    const held = Object.values(depths).reduce((sum, depth) => sum + depth, 0)
    const more = before && moreThan(before, now)
    seen = { unfinished, pods: pods.length, idle, leases: leases.length, depths, more }
    // A pool that was busy keeps more than its least for a while; what there is must be somebody's.
    const owned = [unfinished.length, pods.length, warm].every((count) => count === idle)
    return owned && idle > 0 && leases.length === world.runners && held === 0 && (!more || more.length === 0)
  }
  await eventually('nothing is left over', quiet, CLEAN_MS).catch((cause: unknown) => {
    throw new Error(`Something is left over: ${JSON.stringify(seen, null, 1)}`, { cause })
  })
}

/** A runner that keeps more sandboxes than before has a stream and two timers for each. */
function moreThan(before: Record<string, Resources>, now: Record<string, Resources>): string[] {
  return Object.entries(now).flatMap(([name, { sockets, timers, idle }]) => {
    const old = before[name] ?? { sockets: 0, timers: 0, idle: 0, claimed: 0 }
    const spare = SPARE + 3 * Math.max(0, idle - old.idle)
    const grown = sockets > old.sockets + spare || timers > old.timers + spare
    return grown ? [`${name}: ${old.sockets} -> ${sockets} sockets, ${old.timers} -> ${timers} timers`] : []
  })
}
