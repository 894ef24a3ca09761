import { randomBytes } from 'node:crypto'
import { afterEach } from 'vitest'
import { eventually, getAll, helm, type KubeObject, kubectl, run } from './cluster.ts'
import { type Answer, ask, type Question } from './cluster-http.ts'

export const CHART = new URL('../../charts/runlet', import.meta.url).pathname
const INGRESS_URL = process.env.INGRESS_URL ?? 'http://127.0.0.1:30080'
const INGRESS_CLASS = process.env.INGRESS_CLASS ?? 'traefik'

/** The images under test: built and known to the cluster before the tests start. */
export const IMAGES = {
  service: process.env.SERVICE_IMAGE ?? 'runlet/service:dev',
  python: process.env.PYTHON_IMAGE ?? 'runlet/python:dev',
  node: process.env.NODE_IMAGE ?? 'runlet/node:dev',
  bash: process.env.BASH_IMAGE ?? 'runlet/bash:dev',
}

/** The same in every namespace: what is shared by the cluster must not collide. */
export const RELEASE = 'runlet'

export type Values = Record<string, unknown>

/** Small enough for two cores: one warm sandbox for each language and runner. */
const VALUES = {
  image: { service: IMAGES.service, pullPolicy: 'IfNotPresent' },
  languages: {
    python: { image: IMAGES.python, warm: 1, max: 4 },
    javascript: { image: IMAGES.node, warm: 1, max: 4 },
  },
  api: { resources: { requests: { cpu: '10m' } } },
  runner: { resources: { requests: { cpu: '10m' } } },
  rabbitmq: { resources: { requests: { cpu: '10m' } }, persistence: { enabled: false } },
}

/** An installed release with a namespace, a host name and a sandbox namespace of its own. Disposing uninstalls it and deletes both namespaces. */
export interface Release extends AsyncDisposable {
  readonly namespace: string
  readonly sandboxes: string
  /** Through the Ingress. */
  ask(path: string, question?: Question): Promise<Answer>
  /** `helm upgrade` with more values, keeping the earlier ones. */
  upgrade(values: Values): Promise<string>
  /** `helm uninstall`, and waits until all of it is gone. */
  uninstall(): Promise<void>
}

/**
 * Installs the chart and waits until it is ready. Everything in the namespace runs under the enforced `restricted` standard.
 * @param prepare is called with the new namespace before the installation, and gives more values
 */
export async function installRelease(
  hint: string,
  values: Values = {},
  prepare: (namespace: string) => Promise<Values> = () => Promise.resolve({}),
): Promise<Release> {
  const namespace = `e2e-${hint}-${randomBytes(3).toString('hex')}`
  const host = `${namespace}.test`
  const own = { ingress: { className: INGRESS_CLASS, host } }
  await kubectl('create', 'namespace', namespace)
  await kubectl('label', 'namespace', namespace, 'pod-security.kubernetes.io/enforce=restricted')
  const release = createRelease(namespace, host)
  try {
    const all = merge(merge(merge(VALUES, own), values), await prepare(namespace))
    const args = ['install', RELEASE, CHART, '-n', namespace, '-f', '-', '--wait', '--timeout', '5m']
    await run('helm', args, { stdin: JSON.stringify(all) })
    await eventually('the Ingress leads to the API', async () => (await release.ask('/api/languages')).status === 200)
  } catch (error) {
    const story = await describeNamespaces(release)
    await release[Symbol.asyncDispose]()
    throw new Error(`The release can't be installed.\n${story}`, { cause: error })
  }
  return release
}

function createRelease(namespace: string, host: string): Release {
  const sandboxes = `${namespace}-${RELEASE}-sandboxes`
  const uninstall = async () => {
    await helm('uninstall', RELEASE, '-n', namespace, '--wait', '--timeout', '3m', '--ignore-not-found')
  }
  return {
    namespace,
    sandboxes,
    ask: (path, question) => ask(INGRESS_URL, host, path, question),
    upgrade: (values) =>
      run(
        'helm',
        ['upgrade', RELEASE, CHART, '-n', namespace, '--reuse-values', '-f', '-', '--wait', '--timeout', '5m'],
        {
          stdin: JSON.stringify(values),
        },
      ),
    uninstall,
    async [Symbol.asyncDispose]() {
      await uninstall()
      await kubectl('delete', 'namespace', namespace, sandboxes, '--ignore-not-found', '--wait')
    },
  }
}

/** Values laid over values, map by map, as helm does it. */
function merge(base: Values, over: Values): Values {
  const merged = { ...base }
  for (const [key, value] of Object.entries(over)) {
    const old = merged[key]
    merged[key] = isMap(old) && isMap(value) ? merge(old, value) : value
  }
  return merged
}

const isMap = (value: unknown): value is Values => typeof value === 'object' && value !== null && !Array.isArray(value)

/** After each test that fails, prints what the cluster says of the release. */
export function explainFailures(release: () => Release | undefined): void {
  afterEach(({ task }) => {
    if (task.result?.state !== 'fail') return
    const failed = release()
    if (failed) return describeNamespaces(failed).then((story) => process.stderr.write(story))
  })
}

/** Pods, events and logs of both namespaces, as text for a person. Never throws: it is called when something else has failed already. */
async function describeNamespaces({ namespace, sandboxes }: Release): Promise<string> {
  const parts = [
    ...[namespace, sandboxes].flatMap((name) => [
      ['get', 'pods,jobs', '-n', name, '-o', 'wide'],
      ['get', 'events', '-n', name, '--sort-by', '.lastTimestamp'],
    ]),
    ...['api', 'runner', 'rabbitmq'].map((component) => [
      ...['logs', '-n', namespace, '-l', `app.kubernetes.io/component=${component}`],
      ...['--tail', '60', '--prefix', '--all-containers'],
    ]),
  ]
  const texts = parts.map(async (args) => {
    const output = await kubectl(...args).catch(String)
    return `--- kubectl ${args.join(' ')}\n${output.split('\n').slice(-80).join('\n')}\n`
  })
  return (await Promise.all(texts)).join('')
}

type Placed = Pick<Release, 'namespace'>

/** The pods of a component of the chart: `api`, `runner`, `rabbitmq`, `test`. */
export function componentPods({ namespace }: Placed, component: string): Promise<KubeObject[]> {
  return getAll('pods', '-n', namespace, '-l', `app.kubernetes.io/component=${component}`)
}

/** /metrics of a pod of the api or the runner, through the API server. */
export function metricsOf({ namespace }: Placed, pod: string): Promise<string> {
  return kubectl('get', '--raw', `/api/v1/namespaces/${namespace}/pods/${pod}:9090/proxy/metrics`)
}

/** How often the containers of a component have been restarted, all pods together. */
export async function restartsOf(release: Placed, component: string): Promise<number> {
  return (await componentPods(release, component))
    .flatMap((pod) => pod.status?.containerStatuses ?? [])
    .reduce((sum, { restartCount }) => sum + restartCount, 0)
}
