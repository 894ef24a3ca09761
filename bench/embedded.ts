import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BY_HAND, rateByHand, timeByHand } from './by-hand.ts'
import { rateOfCheck, sample, send, timeParallel, timeRun, untilAnswers } from './http.ts'
import { summarize } from './statistics.ts'
import type { Row } from './table.ts'

const WHERE = 'embedded'
const GOALS = { python: 0.5, javascript: 0.3 }
const ROUNDS = 60

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('No free port')
  return address.port
}

/** Starts the embedded mode on a free port with a data folder of its own. */
async function startEmbedded() {
  const dataDir = await mkdtemp(join(tmpdir(), 'runlet-bench-'))
  const port = await freePort()
  const env = { ...process.env, PORT: String(port), DATA_DIR: dataDir, LOG_LEVEL: 'error' }
  const child = spawn(process.execPath, ['local/main.ts'], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  const base = `http://127.0.0.1:${port}`
  await untilAnswers(`${base}/readyz`)
  return {
    base,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      if (child.exitCode === null) await once(child, 'exit')
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** By hand and through Runlet in turns, so that what else the machine does falls on both. */
async function compare(base: string, language: 'python' | 'javascript', rounds: number): Promise<Row[]> {
  const hand: number[] = []
  const warm: number[] = []
  for (let round = 0; round < rounds; round++) {
    hand.push(timeByHand(BY_HAND[language]))
    // The next warm sandbox is being started meanwhile: this is a caller who comes back after a moment, not a flood.
    await sleep(150)
    warm.push(await timeRun(base, language))
    await sleep(150)
  }
  const byHand = summarize(hand)
  const against = { name: BY_HAND[language].name, p50: byHand.p50, goal: GOALS[language] }
  return [
    { what: BY_HAND[language].name, where: 'by hand', summary: byHand },
    { what: `warm run, ${language}`, where: WHERE, summary: summarize(warm), against },
  ]
}

async function sustained(base: string, language: 'python' | 'javascript', total: number): Promise<Row[]> {
  const bare = await rateByHand(BY_HAND[language], 4, total)
  const { times, perSecond } = await timeParallel(4, total, () => timeRun(base, language))
  return [
    { what: `${BY_HAND[language].name}, 4 at once`, where: 'by hand', value: `${bare.toFixed(1)} per second` },
    {
      what: `sustained runs, ${language}, 4 callers`,
      where: WHERE,
      summary: { ...summarize(times), perSecond },
      value: `${(perSecond / bare).toFixed(2)} x by hand`,
    },
  ]
}

export async function benchEmbedded(): Promise<Row[]> {
  await using server = await startEmbedded()
  const rows: Row[] = []
  for (const language of ['python', 'javascript'] as const) {
    await timeRun(server.base, language)
    rows.push(...(await compare(server.base, language, ROUNDS)))
  }
  for (const language of ['python', 'javascript'] as const) rows.push(...(await sustained(server.base, language, 100)))
  const check = await rateOfCheck(server.base, 10_000)
  rows.push({
    what: 'check of a finished execution, 32 callers',
    where: WHERE,
    summary: { ...summarize(check.times), perSecond: check.perSecond },
  })
  const metrics = (await send(`${server.base}/metrics`, 'GET')).body
  rows.push({
    what: 'memory of the process',
    where: WHERE,
    value: `${(sample(metrics, 'process_resident_memory_bytes') / 2 ** 20).toFixed(0)} MiB`,
  })
  return rows
}
