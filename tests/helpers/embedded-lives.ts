import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { findLeft } from '../../local/left-sandboxes.ts'
import { isWhole, Load } from '../faults/helpers/load.ts'
import { ask, type Question } from './cluster-http.ts'
import { type Embedded, startEmbedded } from './embedded.ts'
import type { Step } from './embedded-steps.ts'

/** How a life ends: at the n-th time that a step happens, or some milliseconds after its load came. */
export type Death = { step: Step; count: number } | { afterMs: number }

export interface LivesOptions {
  deaths: readonly Death[]
  /** Executions that are scheduled in each life. */
  scheduled: number
  /** How long each program sleeps. */
  seconds: number
  /** Sandboxes at a time. */
  max: number
}

/** What became of all that was accepted in all lives. */
export interface Lives {
  accepted: number
  /** Ended with exactly what one start of the program prints, and with a record. */
  recorded: number
  /** Ids whose result was another one when it was read again. */
  changed: number
  lost: number
  /** Rows that are left in the queue. */
  left: number
  /** Processes of bubblewrap that are left after the last life. */
  leftProcesses: number
  refused: number
  longestRunMs: number
  /** Executions that were out when each life ended. */
  inFlight: number[]
  /** From each death until a run that began after it succeeded, in milliseconds. */
  normalAfterMs: number[]
  /** From the last death until every accepted execution had its result. */
  doneAfterMs: number
}

/** Longer than a step may take to happen; the machine may be busy. */
const DEATH_MS = 60_000
const READ_MS = 200
/** When all is read already, reading again takes no time at all. */
const PAUSE_MS = 20
const SETTLE_MS = 240_000

const RUN = { body: { language: 'python', code: 'print(1)' } }

/** A data folder that outlasts many processes: each takes its load, dies in the middle of it, and leaves the rest to the next one. */
export async function liveAndDie({ deaths, scheduled, seconds, max }: LivesOptions): Promise<Lives> {
  // What we kill is no fault of the program: each of many deaths must not use up an attempt.
  const env = { LOG_LEVEL: 'debug', WARM: '2', MAX: String(max), DELIVERY_LIMIT: String(deaths.length + 5) }
  const inFlight: number[] = []
  const normalAfterMs: number[] = []
  const loads: Load[] = []
  let diedAt = 0
  let server = await begin(env, deaths[0])
  const { dataDir } = server
  try {
    for (const [number, death] of deaths.entries()) {
      const load = new Load({ ask: (path, question) => askOf(server, path, question), scheduled, seconds })
      loads.push(load)
      diedAt = await liveOnce(server, load, death)
      inFlight.push(countOut(dataDir))
      server = await begin(env, deaths[number + 1], dataDir)
      await untilRuns(server)
      normalAfterMs.push(Math.round(performance.now() - diedAt))
    }
    const missing = (await Promise.all(loads.map((load) => load.settle(SETTLE_MS)))).flat()
    const doneAfterMs = performance.now() - diedAt
    const story = await assess(loads, missing)
    await untilNothingWaits(server)
    await server.stop()
    const leftProcesses = findLeft(join(dataDir, 'images', 'agent')).length
    return { ...story, left: countRows(dataDir), leftProcesses, inFlight, normalAfterMs, doneAfterMs }
  } finally {
    await server[Symbol.asyncDispose]()
  }
}

async function begin(env: Record<string, string>, death: Death | undefined, dataDir?: string): Promise<Embedded> {
  const isStep = death && 'step' in death
  return await startEmbedded({
    env: { ...env, ...(isStep && { DIE_AT: `${death.step}:${death.count}` }) },
    ...(isStep && { nodeArguments: ['--import', join(import.meta.dirname, 'die-at.ts')] }),
    ...(dataDir && { dataDir }),
  })
}

/** When it died. */
async function liveOnce(server: Embedded, load: Load, death: Death): Promise<number> {
  if ('step' in death) process.kill(server.pid, 'SIGUSR2')
  let diedAt: number | undefined
  const reading = load.start().then(async () => {
    // So that some results are read before the end, and again after it.
    for (; diedAt === undefined; await sleep(PAUSE_MS)) await load.settle(READ_MS)
  })
  await dies(server, death)
  diedAt = performance.now()
  await Promise.all([load.stop(), reading])
  return diedAt
}

/** Resolves when it is dead. @throws Error when its step did not happen */
async function dies(server: Embedded, death: Death): Promise<void> {
  if (!('step' in death)) {
    await sleep(death.afterMs)
    return await server.kill9()
  }
  const late = sleep(DEATH_MS, 'late' as const, { ref: false })
  const end = await Promise.race([server.exited, late])
  if (end !== 'SIGKILL') throw new Error(`"${death.step}" did not happen ${death.count} times: ${end}\n${tail(server)}`)
}

const tail = (server: Embedded) => server.output().slice(-3000)

const askOf = (server: Embedded, path: string, question?: Question) => ask(server.url, '127.0.0.1', path, question)

/** How soon is measured: it is looked at more often than cluster.ts does. */
async function until(what: string, server: Embedded, holds: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + DEATH_MS; performance.now() < end; await sleep(50)) if (await holds()) return
  throw new Error(`Not in time: ${what}\n${tail(server)}`)
}

const untilRuns = (server: Embedded) =>
  until('a run succeeds', server, async () => (await askOf(server, '/api/run/', RUN)).status === 200)

/** What was accepted and whose caller never heard of it runs as well. */
const untilNothingWaits = (server: Embedded) =>
  until('nothing waits', server, async () => {
    const { text } = await askOf(server, '/metrics')
    return /^runlet_queue_messages\{language="python",queue="executions"\} 0$/m.test(text)
  })

async function assess(loads: readonly Load[], missing: readonly string[]) {
  const changed = (await Promise.all(loads.map((load) => load.changed(1)))).flat()
  const finals = loads.flatMap((load) => [...load.finals].map((final) => ({ load, final })))
  const whole = finals.filter(
    ({ load, final: [id, { status, stdout }] }) =>
      status === 'succeeded' && isWhole(stdout, load.accepted.get(id) ?? -1),
  )
  return {
    accepted: loads.reduce((sum, { accepted }) => sum + accepted.size, 0),
    recorded: whole.length,
    changed: changed.length,
    lost: missing.length + finals.filter(({ final }) => final[1].status === 'lost').length,
    refused: loads.reduce((sum, { refused }) => sum + refused, 0),
    longestRunMs: Math.max(...loads.map(({ longestRunMs }) => longestRunMs)),
  }
}

/** Of a process that is dead: nobody else may read the file. */
function query(dataDir: string, sql: string): number {
  using database = new DatabaseSync(join(dataDir, 'runlet.db'))
  return Number(Object.values(database.prepare(sql).get() ?? {})[0])
}

const countOut = (dataDir: string) => query(dataDir, `SELECT count(*) FROM executions WHERE state = 'out'`)
const countRows = (dataDir: string) => query(dataDir, 'SELECT count(*) FROM executions')
