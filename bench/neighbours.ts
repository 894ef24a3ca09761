/** What an execution notices of others in the same Job that exhaust something: its times alone, beside programs that wait, and beside bombs. */
import { BOMB_LIMITS, BOMBS } from '../tests/helpers/bombs.ts'
import { PROGRAMS, send, timeParallel, timeRun } from './http.ts'
import { summarize } from './statistics.ts'
import type { Row } from './table.ts'

const WHERE = 'nested'
const RUNS = 120
const CALLERS = 2
const BOMBS_AT_ONCE = 2
const SLEEPERS = { sleep: 'import time\ntime.sleep(1)' }

/** Runs these programs again and again, as many at a time, until disposed of. */
function besides(base: string, programs: Record<string, string>): AsyncDisposable {
  const codes = Object.values(programs)
  let [stopped, next] = [false, 0]
  const caller = async () => {
    while (!stopped) {
      const code = codes[next++ % codes.length]
      const { status, body } = await send(`${base}/api/run/`, 'POST', { ...PROGRAMS.python, code, limits: BOMB_LIMITS })
      if (status !== 200) throw new Error(`A program beside answered ${status}: ${body.slice(0, 300)}`)
    }
  }
  const callers = Promise.all(Array.from({ length: BOMBS_AT_ONCE }, caller))
  return {
    async [Symbol.asyncDispose]() {
      stopped = true
      await callers
    },
  }
}

async function times(base: string, programs: Record<string, string> | undefined): Promise<number[]> {
  await using _besides = programs && besides(base, programs)
  return (await timeParallel(CALLERS, RUNS, () => timeRun(base, 'python'))).times
}

/** Needs a release whose Python has `tier: nested`. */
export async function benchNeighbours(base: string): Promise<Row[]> {
  const alone = summarize(await times(base, undefined))
  const what = `runs, python, ${CALLERS} callers`
  const row = async (name: string, programs: Record<string, string>): Promise<Row> => {
    const summary = summarize(await times(base, programs))
    const [p50, p99] = [summary.p50 / alone.p50, summary.p99 / alone.p99].map((ratio) => ratio.toFixed(1))
    return { what: `${what}, ${name}`, where: WHERE, summary, value: `p50 ${p50} x, p99 ${p99} x that of those alone` }
  }
  return [
    { what: `${what}, alone`, where: WHERE, summary: alone },
    await row(`beside ${BOMBS_AT_ONCE} that sleep`, SLEEPERS),
    await row(`beside ${BOMBS_AT_ONCE} that compute`, { time: BOMBS.time }),
    await row(`beside ${BOMBS_AT_ONCE} bombs (${Object.keys(BOMBS).join(', ')})`, BOMBS),
  ]
}
