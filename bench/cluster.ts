import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { BY_HAND, timeByHand } from './by-hand.ts'
import { rateOfCheck, sample, timeParallel, timeRun } from './http.ts'
import { summarize } from './statistics.ts'
import type { Row } from './table.ts'

const WHERE = 'cluster'
const GOALS = { python: 1, javascript: 0.3 }
const WARM_ROUNDS = 24

interface Target {
  base: string
  release: string
  namespace: string
  sandboxes: string
}

export const kubectl = (...args: string[]) =>
  execFileSync('kubectl', args, { encoding: 'utf8', maxBuffer: 2 ** 26, stdio: ['ignore', 'pipe', 'pipe'] })

export function target(): Target {
  const release = process.env.RELEASE ?? 'runlet'
  const namespace = process.env.NAMESPACE ?? 'default'
  const sandboxes = process.env.SANDBOX_NAMESPACE ?? `${release}-sandboxes`
  return { base: process.env.INGRESS_URL ?? 'http://127.0.0.1:30080', release, namespace, sandboxes }
}

const countWarm = ({ sandboxes }: Target, language: string) =>
  kubectl('-n', sandboxes, 'get', 'jobs', '-l', `runlet.dev/state=warm,runlet.dev/language=${language}`, '-o', 'name')
    .split('\n')
    .filter(Boolean).length

/** Waits until the pool is as full as it gets: its size does not change for three seconds. */
async function untilFull(where: Target, language: string): Promise<number> {
  let last = -1
  for (let same = 0; same < 3; ) {
    const now = countWarm(where, language)
    same = now === last && now > 0 ? same + 1 : 0
    last = now
    await sleep(1000)
  }
  return last
}

/** Bursts no longer than the pool, so that every one of these runs takes a warm sandbox; by hand in turns with them. */
async function warmRuns(where: Target, language: 'python' | 'javascript'): Promise<Row[]> {
  const hand: number[] = []
  const warm: number[] = []
  while (warm.length < WARM_ROUNDS) {
    const ready = await untilFull(where, language)
    for (let index = 0; index < ready && warm.length < WARM_ROUNDS; index++) {
      hand.push(timeByHand(BY_HAND[language]))
      warm.push(await timeRun(where.base, language))
    }
  }
  const byHand = summarize(hand)
  const against = { name: BY_HAND[language].name, p50: byHand.p50, goal: GOALS[language] }
  return [
    { what: BY_HAND[language].name, where: 'by hand', summary: byHand },
    { what: `warm run, ${language}`, where: WHERE, summary: summarize(warm), against },
  ]
}

/** More runs at once than are warm: what is above the pool starts cold, and the rate is that of making pods. */
async function coldRuns(where: Target): Promise<Row[]> {
  const ready = await untilFull(where, 'python')
  const { times, perSecond } = await timeParallel(ready + 4, ready + 12, () => timeRun(where.base, 'python'))
  const cold = [...times].sort((a, b) => a - b).slice(ready)
  return [
    { what: 'cold run, python (pool empty)', where: WHERE, summary: summarize(cold) },
    { what: 'sustained runs, python, pool included', where: WHERE, summary: { ...summarize(times), perSecond } },
  ]
}

async function refillRate(where: Target): Promise<number> {
  const ready = await untilFull(where, 'python')
  await Promise.all(Array.from({ length: ready }, () => timeRun(where.base, 'python')))
  const start = performance.now()
  while (countWarm(where, 'python') < ready) await sleep(200)
  return (ready * 1000) / (performance.now() - start)
}

/** `kubectl create job` with the same image and nothing else: what the cluster itself can do. */
async function createJobRate({ sandboxes }: Target): Promise<number> {
  const image = kubectl(
    '-n',
    sandboxes,
    'get',
    'jobs',
    '-l',
    'runlet.dev/language=python',
    '-o',
    'jsonpath={.items[0].spec.template.spec.containers[0].image}',
  )
  kubectl('create', 'namespace', 'runlet-bench')
  try {
    const total = 6
    const start = performance.now()
    for (let index = 0; index < total; index++)
      kubectl(
        '-n',
        'runlet-bench',
        'create',
        'job',
        `bench-${index}`,
        `--image=${image}`,
        '--',
        'python3',
        '-c',
        'print(1)',
      )
    kubectl('-n', 'runlet-bench', 'wait', '--for=condition=Complete', 'job', '--all', '--timeout=120s')
    return (total * 1000) / (performance.now() - start)
  } finally {
    kubectl('delete', 'namespace', 'runlet-bench', '--wait=false')
  }
}

/** Resident memory of the processes of one component, by their own metrics, in MiB. */
function memoryOf({ release, namespace }: Target, component: string): string {
  const selector = `app.kubernetes.io/instance=${release},app.kubernetes.io/component=${component}`
  const pods = kubectl('-n', namespace, 'get', 'pods', '-l', selector, '-o', 'name').split('\n').filter(Boolean)
  const sizes = pods.map((pod) => {
    const text = kubectl(
      'get',
      '--raw',
      `/api/v1/namespaces/${namespace}/pods/${pod.replace('pod/', '')}:9090/proxy/metrics`,
    )
    return `${(sample(text, 'process_resident_memory_bytes') / 2 ** 20).toFixed(0)} MiB`
  })
  return sizes.join(', ')
}

interface StatsSummary {
  pods: { podRef: { name: string; namespace: string }; containers: { memory: { workingSetBytes: number } }[] }[]
}

/** Working set of idle sandboxes as the kubelet sees them, in MiB. */
function idleMemory({ sandboxes }: Target, language: string): string {
  const node = kubectl('get', 'nodes', '-o', 'jsonpath={.items[0].metadata.name}')
  const { pods } = JSON.parse(kubectl('get', '--raw', `/api/v1/nodes/${node}/proxy/stats/summary`)) as StatsSummary
  const sizes = pods
    .filter(({ podRef }) => podRef.namespace === sandboxes && podRef.name.startsWith(language))
    .map(({ containers }) => (containers[0]?.memory.workingSetBytes ?? 0) / 2 ** 20)
    .filter((size) => size > 0)
  return sizes.length === 0 ? 'no sample' : `${Math.max(...sizes).toFixed(1)} MiB at most, of ${sizes.length}`
}

export async function benchCluster(): Promise<Row[]> {
  const where = target()
  const rows = [...(await warmRuns(where, 'python')), ...(await warmRuns(where, 'javascript'))]
  for (const language of ['python', 'javascript'])
    rows.push({ what: `memory of an idle sandbox, ${language}`, where: WHERE, value: idleMemory(where, language) })
  rows.push(...(await coldRuns(where)))
  const [refill, plain] = [await refillRate(where), await createJobRate(where)]
  rows.push({
    what: 'refill of the pool',
    where: WHERE,
    value: `${refill.toFixed(2)} sandboxes per second; kubectl create job ${plain.toFixed(2)}`,
  })
  const check = await rateOfCheck(where.base, 10_000)
  rows.push({
    what: 'check of a finished execution, 32 callers',
    where: WHERE,
    summary: { ...summarize(check.times), perSecond: check.perSecond },
  })
  for (const component of ['api', 'runner'])
    rows.push({ what: `memory of ${component}`, where: WHERE, value: memoryOf(where, component) })
  return rows
}
