/** Many executions from few Jobs: the rate that this machine sustains, and who uses the CPU meanwhile. */
import { forwardTo } from '../tests/helpers/cluster-forward.ts'
import { BY_HAND, rateByHand } from './by-hand.ts'
import { kubectl, target } from './cluster.ts'
import { startGoJudge } from './go-judge.ts'
import { timeParallel, timeRun } from './http.ts'
import { benchNeighbours } from './neighbours.ts'
import { cpuByPart, PART_NAMES } from './processes.ts'
import { summarize } from './statistics.ts'
import type { Row } from './table.ts'

const WHERE = 'nested'
const CALLERS = [1, 4, 16, 64]
const BARE_AT_ONCE = 4
const GO_JUDGE_PORT = 5051
const API_PORT = 80
/** Enough for the group commit to be in step, few enough for a round to take seconds. */
const EXECUTIONS = { python: 600, javascript: 300 }
/** Before the first round: what is sustained begins when the Jobs that the language may have are there. */
const WARM_UP = { callers: 16, executions: 120 }
const WRITES = /^apiserver_request_total\{.*resource="jobs".*verb="(?:POST|PUT|PATCH|DELETE)".*\} ([\d.e+]+)$/gm

/** On Jobs, by whomever. */
function writes(): number {
  const text = kubectl('get', '--raw', '/metrics')
  return [...text.matchAll(WRITES)].reduce((sum, [, count]) => sum + Number(count), 0)
}

async function sustained(base: string, language: keyof typeof EXECUTIONS, callers: number): Promise<Row[]> {
  const total = EXECUTIONS[language]
  const bare = await rateByHand(BY_HAND[language], BARE_AT_ONCE, 40)
  const [writesBefore, before] = [writes(), cpuByPart()]
  const { times, perSecond } = await timeParallel(callers, total, () => timeRun(base, language))
  const [after, writesAfter] = [cpuByPart(), writes()]
  const parts = PART_NAMES.map((name) => [name, ((after.get(name) ?? 0) - (before.get(name) ?? 0)) / total] as const)
  const used = parts.filter(([, milliseconds]) => milliseconds >= 0.05).sort(([, one], [, other]) => other - one)
  const what = `sustained runs, ${language}, ${callers} callers`
  const ratio = `${(perSecond / bare).toFixed(2)} x ${BY_HAND[language].name}, ${BARE_AT_ONCE} at once (${bare.toFixed(0)}/s)`
  const cpu = used.map(([name, milliseconds]) => `${name} ${milliseconds.toFixed(1)}`).join(', ')
  return [
    { what, where: WHERE, summary: { ...summarize(times), perSecond }, value: ratio },
    {
      what: '  CPU-ms and writes on Jobs for each',
      where: WHERE,
      value: `${cpu}; ${((writesAfter - writesBefore) / total).toFixed(2)} writes`,
    },
  ]
}

/** Needs a release whose languages have `tier: nested`, on this machine: the CPU of all parts is read from /proc. */
export async function benchNested(): Promise<Row[]> {
  const { base, namespace, release } = target()
  const rows: Row[] = []
  await using goJudge = await startGoJudge(GO_JUDGE_PORT)
  for (const language of ['python', 'javascript'] as const) {
    await timeParallel(WARM_UP.callers, WARM_UP.executions, () => timeRun(base, language))
    for (const callers of CALLERS) rows.push(...(await sustained(base, language, callers)))
    if (!goJudge) continue
    const { times, perSecond } = await timeParallel(BARE_AT_ONCE, EXECUTIONS[language], () => goJudge.time(language))
    const what = `go-judge, ${language}, ${BARE_AT_ONCE} callers`
    rows.push({ what, where: 'by hand', summary: { ...summarize(times), perSecond } })
  }
  // Past the Ingress: one without a CPU request has next to no share of a busy node, and would be all that is measured.
  await using forward = await forwardTo(namespace, `service/${release}-api`, API_PORT)
  rows.push(...(await benchNeighbours(`http://127.0.0.1:${forward.port}`)))
  return rows
}
