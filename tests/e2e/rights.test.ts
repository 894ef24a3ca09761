import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requiredPermissions } from '../../k8s/client.ts'
import { type ApiServerProxy, kubeconfigOf, startApiServerProxy } from '../faults/helpers/api-server-proxy.ts'
import { Part } from '../faults/helpers/part.ts'
import { apiCalls } from '../helpers/api-calls.ts'
import { renderChart } from '../helpers/chart-render.ts'
import { apply, eventually, kubectl } from '../helpers/cluster.ts'
import { Client } from '../helpers/cluster-client.ts'
import { ask } from '../helpers/cluster-http.ts'
import { IMAGES, RELEASE } from '../helpers/cluster-release.ts'
import { freePorts } from '../helpers/free-ports.ts'
import { startRabbitmq } from '../helpers/rabbitmq-server.ts'

/**
 * An API and a runner as processes of this machine, with the namespaces, accounts and rights that the chart makes, and what they call: each right is used, and
 * nothing is called without one.
 */
interface Manifest {
  kind: string
  metadata: { name: string; namespace?: string }
  spec?: { template?: { spec: { containers: { env: { name: string; value?: string }[] }[] } } }
}

interface Role {
  rules: { apiGroups: [string]; resources: string[]; verbs: string[] }[]
}

/** As `calls` has them. */
const rightsOf = (where: string, { apiGroups: [group], resources, verbs }: Role['rules'][number]) =>
  resources.flatMap((resource) => verbs.map((verb) => `${where} ${verb} ${resource}${group && `.${group}`}`))

const namespace = `e2e-rights-${randomBytes(3).toString('hex')}`
const sandboxes = `${namespace}-${RELEASE}-sandboxes`
const nested = `${sandboxes}-nested`
const tooMuch = (memory: string) => ({ warm: 1, max: 1, resources: { limits: { memory } } })
const values = {
  languages: {
    python: { image: IMAGES.python, warm: 1, max: 2 },
    javascript: { image: IMAGES.node, tier: 'nested', warm: 1, max: 2, nested: { slots: 2 } },
    // The LimitRanges of both namespaces refuse their pods: why is read in Events, and the pools are held.
    heavy: { image: IMAGES.python, ...tooMuch('64Gi') },
    weighty: { image: IMAGES.node, tier: 'nested', ...tooMuch('64Gi') },
  },
  runner: { replicas: 1, drainSeconds: 60 },
  records: { janitorIntervalMs: 1000 },
  api: { recordCacheBytes: 1_048_576 },
}
const KINDS =
  /^(Namespace|ServiceAccount|Role|RoleBinding|LimitRange|ResourceQuota|ValidatingAdmissionPolicy|ValidatingAdmissionPolicyBinding)$/

const calls = { api: new Set<string>(), runner: new Set<string>() }
const refused: string[] = []
const scope = new AsyncDisposableStack()
let runnersProxy: ApiServerProxy
let runnersPart: Part
let client: Client

beforeAll(async () => {
  const manifests = await renderChart<Manifest>(values, { release: RELEASE, namespace })
  const made = manifests.filter(({ kind }) => KINDS.test(kind))
  scope.defer(() => removeAll(made))
  await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }, ...made)
  const folder = await mkdtemp(join(tmpdir(), 'runlet-rights-'))
  scope.defer(() => rm(folder, { recursive: true, force: true }))
  const broker = scope.use(await startRabbitmq())
  const start = async (component: 'api' | 'runner') => {
    const proxy = scope.use(await startRecorder(component))
    const kubeconfig = join(folder, component)
    await writeFile(kubeconfig, kubeconfigOf(proxy.url))
    const [port, metricsPort] = await freePorts()
    const own = {
      AMQP_URL: broker.url,
      KUBECONFIG: kubeconfig,
      PORT: String(port),
      ID_KEY: 'a key for tests of rights',
    }
    const env = { ...environmentOf(manifests, component), ...own, RUNNER_NAME: 'runner-of-rights' }
    const part = scope.use(await Part.start({ name: component, main: `${component}/main.ts`, env, metricsPort }))
    return { proxy, part, port }
  }
  const [api, runner] = await Promise.all([start('api'), start('runner')])
  runnersProxy = runner.proxy
  runnersPart = runner.part
  client = new Client((path, question) => ask(`http://127.0.0.1:${api.port}`, 'localhost', path, question))
  await live()
  await fill()
  for (const { part } of [runner, api]) await part[Symbol.asyncDispose]()
})
afterAll(() => scope.disposeAsync())

async function removeAll(made: readonly Manifest[]): Promise<void> {
  const names = (kind: string) => made.filter((one) => one.kind === kind).map(({ metadata }) => metadata.name)
  for (const kind of ['ValidatingAdmissionPolicyBinding', 'ValidatingAdmissionPolicy'])
    await kubectl('delete', kind, ...names(kind), '--ignore-not-found')
  await kubectl('delete', 'namespace', namespace, sandboxes, nested, '--ignore-not-found', '--wait=false')
}

async function startRecorder(component: 'api' | 'runner'): Promise<ApiServerProxy> {
  const token = await kubectl('create', 'token', `${RELEASE}-${component}`, '-n', namespace)
  const onAnswer = (method: string, url: string, status: number) => {
    if (status === 401 || status === 403) refused.push(`${component}: ${method} ${url}`)
    for (const { namespace: where, right } of apiCalls(method, url, status)) calls[component].add(`${where} ${right}`)
  }
  return await startApiServerProxy({ token, onAnswer })
}

/** What the chart sets, but for what is of its own RabbitMQ and Secrets. */
function environmentOf(manifests: Manifest[], component: string): Record<string, string> {
  const own = manifests.find(
    ({ kind, metadata }) => kind === 'Deployment' && metadata.name === `${RELEASE}-${component}`,
  )
  const variables = own?.spec?.template?.spec.containers[0]?.env ?? []
  return Object.fromEntries(variables.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])))
}

function granted(component: keyof typeof requiredPermissions, where: string): string[] {
  return requiredPermissions[component].flatMap(({ group, resource, verbs }) =>
    rightsOf(where, { apiGroups: [group], resources: [resource], verbs: [...verbs] }),
  )
}

const runnersRights = [...granted('runner', sandboxes), ...granted('nested', nested)].sort()
const apisRights = [sandboxes, nested].flatMap((where) => granted('api', where)).sort()

/** All that a runner meets in its life, but for its end. */
async function live(): Promise<void> {
  expect(await client.run({ language: 'python', code: 'print(1)' })).toMatchObject({ stdout: '1\n' })
  expect(await client.run({ language: 'javascript', code: 'console.log(1)' })).toMatchObject({ stdout: '1\n' })
  // What became of a sandbox whose stream broke is asked of its pod when the watch does not tell.
  await eventually('a sandbox of each tier is idle', async () => (await runnersPart.resources()).idle === 2)
  runnersProxy.stall('watches')
  runnersProxy.cut()
  for (const right of runnersRights.filter((one) => /events|get pods$/.test(one)))
    await eventually(right, () => Promise.resolve(calls.runner.has(right)))
  runnersProxy.expireWatches(0)
}

/** More output than the API keeps in memory: the first of it is read again. */
async function fill(): Promise<void> {
  const ids: string[] = []
  const text = 'x'.repeat(99_000)
  for (const language of ['python', ...Array.from({ length: 13 }, () => 'javascript')]) {
    const code = language === 'python' ? `print('${text}')` : `console.log('${text}')`
    ids.push((await client.run({ language, code, limits: { outputBytes: 200_000 } })).id)
  }
  // The first round waits until all are recorded, and then the first ones are no longer in memory.
  for (const id of [...ids, ...ids]) expect((await client.check(id, 10)).status).toBe('succeeded')
}

describe('the rights of the service accounts', () => {
  it('are those that the runner uses, from its start to its end, in both namespaces', () => {
    expect([...calls.runner].sort()).toEqual(runnersRights)
  })

  it('are those that the API uses', () => {
    expect([...calls.api].sort()).toEqual(apisRights)
  })

  it('are all that was asked for', () => {
    expect(refused).toEqual([])
  })

  it('are what the Roles in the cluster say', async () => {
    const rules = async (component: string, where: string) => {
      const role = JSON.parse(
        await kubectl('get', 'role', `${RELEASE}-${component}`, '-n', where, '-o', 'json'),
      ) as Role
      return role.rules.flatMap((rule) => rightsOf(where, rule))
    }
    const both = async (component: string) =>
      (await Promise.all([rules(component, sandboxes), rules(component, nested)])).flat().sort()
    expect(await both('runner')).toEqual(runnersRights)
    expect(await both('api')).toEqual(apisRights)
  })
})
