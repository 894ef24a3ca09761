import { setTimeout as sleep } from 'node:timers/promises'
import { getAll, kubectl } from '../helpers/cluster.ts'
import { componentPods, installRelease, metricsOf, type Release } from '../helpers/cluster-release.ts'
import { execute } from './load.ts'
import { inQuarters } from './quarters.ts'
import { processSample, type Sample, sampleOf } from './table.ts'

type Tier = 'nested' | 'job'

/** Until pools are full and code is compiled: a share of all, and no more than this. */
const WARM_UP = 100
/** Results are kept for so long, so that what is removed is in the table as well as what is made. */
const RETENTION_SECONDS = 60
const JANITOR_MS = 10_000
/** After a part: results have expired, pools have given back what they do not need. */
const QUIET_MS = 15_000

const POOLS = {
  nested: { tier: 'nested', nested: { slots: 4, executionsPerJob: 200 }, warm: 4, max: 8 },
  job: { tier: 'job', warm: 2, max: 4 },
}

/** `count` executions through a release of its own in the cluster in KUBECONFIG, all of one tier, with a look at it after each quarter. */
export async function soakCluster(tier: Tier, count: number): Promise<string> {
  const records = { retentionSeconds: RETENTION_SECONDS, janitorIntervalMs: JANITOR_MS }
  const values = { languages: { python: POOLS[tier], javascript: null }, api: { replicas: 1 }, runner: { replicas: 1 } }
  await using release = await installRelease('soak', { ...values, records })
  const atOnce = POOLS[tier].max
  const load = (part: number) => execute({ ask: release.ask, count: part, atOnce })
  const warmUp = Math.min(WARM_UP, Math.ceil(count / 10))
  await load(warmUp)
  const total = { seconds: 0, refused: 0 }
  const work = async (part: number) => {
    const done = await load(part)
    total.seconds += done.seconds
    total.refused += done.refused
  }
  const begin = `0 (after ${warmUp} more)`
  const table = await inQuarters({ begin, count, work, look: () => look(release) })
  const rate = (count / total.seconds).toFixed(1)
  return `${table}\n\n${rate} executions per second; ${total.refused} requests were refused and repeated.`
}

async function look(release: Release): Promise<Sample> {
  await sleep(QUIET_MS)
  const [api, runner, rabbitmq, objects] = [
    await partSample(release, 'api'),
    await partSample(release, 'runner'),
    await rabbitmqSample(release),
    await objectSample(release),
  ]
  return { ...api, ...runner, ...rabbitmq, ...objects }
}

async function podOf(release: Release, component: string): Promise<string> {
  const [pod] = await componentPods(release, component)
  if (pod === undefined) throw new Error(`There is no ${component}`)
  return pod.metadata.name
}

async function partSample(release: Release, component: string): Promise<Sample> {
  return sampleOf(component, processSample(await metricsOf(release, await podOf(release, component))))
}

async function rabbitmqSample(release: Release): Promise<Sample> {
  const { namespace } = release
  const pod = await podOf(release, 'rabbitmq')
  const inside = ['exec', '-n', namespace, pod, '--']
  const sizes = await kubectl(...inside, 'sh', '-c', 'grep -h VmRSS /proc/[0-9]*/status')
  const kibibytes = [...sizes.matchAll(/(\d+) kB/g)].reduce((sum, [, size]) => sum + Number(size), 0)
  const queues = await kubectl(...inside, 'rabbitmqctl', '-q', 'list_queues', '--no-table-headers', 'name', 'messages')
  const messages = queues.split('\n').map((line) => Number(line.split('\t')[1]))
  return {
    'RabbitMQ: resident memory, MiB': Math.round(kibibytes / 1024),
    queues: messages.length,
    'messages in them': messages.reduce((sum, one) => sum + one, 0),
  }
}

/** In the namespaces of sandboxes, both tiers. */
async function objectSample({ sandboxes }: Release): Promise<Sample> {
  const namespaces = (await getAll('namespaces'))
    .map(({ metadata }) => metadata.name)
    .filter((name) => name === sandboxes || name === `${sandboxes}-nested`)
  const count = async (kind: string) =>
    (await Promise.all(namespaces.map((name) => getAll(kind, '-n', name)))).reduce((sum, { length }) => sum + length, 0)
  return { Jobs: await count('jobs'), pods: await count('pods') }
}
