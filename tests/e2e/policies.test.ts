import type { V1Job } from '@kubernetes/client-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { KubeHttp } from '../../k8s/http.ts'
import { buildRecordJob, buildSandboxJob } from '../../k8s/job-spec.ts'
import { buildNestedJob } from '../../k8s/nested-job-spec.ts'
import { attemptAt, BROKER_ATTEMPTS } from '../helpers/broker-attempts.ts'
import { getAll, kubectl } from '../helpers/cluster.ts'
import { Client } from '../helpers/cluster-client.ts'
import { type Forward, forwardTo } from '../helpers/cluster-forward.ts'
import { JOB_CONTROLLER, kubeAs, tryOut } from '../helpers/cluster-identity.ts'
import { explainFailures, IMAGES, installRelease, RELEASE, type Release } from '../helpers/cluster-release.ts'
import { FORGERIES, forge, podOf } from '../helpers/sandbox-forgeries.ts'

/** What the cluster around the sandboxes refuses, by attempts on a release that works; and that it works with every barrier that one value raises. */
const placed = {
  nodeSelector: { 'kubernetes.io/os': 'linux' },
  tolerations: [{ key: 'sandboxes', operator: 'Exists' as const }],
}
const python = { image: IMAGES.python, hostUsers: false, ...placed }
const node = { image: IMAGES.node, ...placed }
const careful = {
  ...{ image: IMAGES.python, hostUsers: false, localhostSeccompProfile: 'runlet.json' },
  ...{ runtimeClassName: 'stronger', priorityClassName: 'last' },
}
const nested = { slots: 2, executionsPerJob: 100, maxAgeSeconds: 900 }

let release: Release
let client: Client
let admin: KubeHttp
let runner: KubeHttp
let controller: KubeHttp

beforeAll(async () => {
  release = await installRelease('policy', {
    languages: {
      python,
      javascript: { ...node, tier: 'nested', nested },
      careful: { ...careful, warm: 0, max: 1 },
    },
    api: { replicas: 1 },
    runner: { replicas: 1 },
  })
  client = new Client(release.ask)
  admin = kubeAs()
  runner = kubeAs(`system:serviceaccount:${release.namespace}:${RELEASE}-runner`)
  controller = kubeAs(JOB_CONTROLLER)
})
afterAll(async () => {
  for (const http of [admin, runner, controller]) http?.[Symbol.dispose]()
  await release?.[Symbol.asyncDispose]()
})
explainFailures(() => release)

const facts = (language: string) => ({
  name: 'attempt',
  language,
  runner: 'somebody',
  retentionSeconds: 60,
  uid: 20_000,
})
const tiers = {
  job: {
    namespace: () => release.sandboxes,
    right: () => buildSandboxJob(python, facts('python')),
    language: 'python',
  },
  nested: {
    namespace: () => `${release.sandboxes}-nested`,
    right: () => buildNestedJob(node, nested, facts('javascript')),
    language: 'javascript',
  },
}
const jobsOf = (namespace: string) => `/apis/batch/v1/namespaces/${namespace}/jobs`
const podsOf = (namespace: string) => `/api/v1/namespaces/${namespace}/pods`

describe.each(['job', 'nested'] as const)('among the sandboxes of the %s tier', (tier) => {
  const { namespace, right, language } = tiers[tier]
  const tryJob = (job: V1Job, http = runner) => tryOut(http, jobsOf(namespace()), job)
  const tryPod = (job: V1Job, http = controller) => tryOut(http, podsOf(namespace()), podOf(job))

  it('there may be what the runner makes, of any version of the image, and the pod of it', async () => {
    expect(await tryJob(right())).toBe('admitted')
    expect(await tryPod(right())).toBe('admitted')
    const { image } = tier === 'job' ? python : node
    const [repository] = image.split(/[:@](?!.*\/)/)
    for (const version of ['', ':next', `@sha256:${'a'.repeat(64)}`, `:v2@sha256:${'0'.repeat(64)}`])
      expect(await tryJob(forge(right(), { container: { image: `${repository}${version}` } }))).toBe('admitted')
    expect(await tryJob(buildRecordJob('attempt-records-1', language, 60))).toBe('admitted')
  })

  it('nobody else may make it', async () => {
    for (const job of [right(), buildRecordJob('attempt-records-1', language, 60)])
      expect(await tryJob(job, admin)).toMatch(/Only the runner may make Jobs/)
    expect(await tryPod(right(), admin)).toMatch(/for Jobs only/)
    const { metadata, ...rest } = podOf(right())
    const orphan = { ...rest, metadata: { ...metadata, ownerReferences: [] } }
    expect(await tryOut(controller, podsOf(namespace()), orphan)).toMatch(/for Jobs only/)
  })

  it.each(FORGERIES)('no Job, and no pod, may have $what', async ({ refusal, onPods = refusal, ...forgery }) => {
    const forged = forge(right(), forgery)
    expect(await tryJob(forged)).toMatch(refusal)
    if (forgery.onlyOnJobs) return
    // Pod Security speaks first; where the nested tier is it is off, so there every word is the policy's.
    const said = await tryPod(forged)
    if (tier === 'nested' || !said.includes('violates PodSecurity')) expect(said).toMatch(onPods)
  })

  it('nobody may change what runs, or enter it', async () => {
    const [pod] = await getAll('pods', '-n', namespace(), '--field-selector', 'status.phase=Running')
    const name = pod?.metadata.name ?? ''
    const job = pod?.metadata.labels?.['batch.kubernetes.io/job-name'] ?? ''
    const inside = (...args: string[]) => kubectl('-n', namespace(), ...args)
    const cpu = [{ op: 'replace', path: '/spec/containers/0/resources/limits/cpu', value: '2' }]
    const patch = (spec: object) => ['--type=merge', '-p', JSON.stringify({ spec })]
    await expect(inside('patch', 'job', job, ...patch({ activeDeadlineSeconds: 1_000_000 }))).rejects.toThrow(
      /as it was made/,
    )
    await expect(inside('set', 'image', `pod/${name}`, 'sandbox=runlet/bash:dev')).rejects.toThrow(/as it was made/)
    for (const attempt of [
      ['exec', name, '--', '/bin/true'],
      ['attach', name],
      ['port-forward', name, ':80'],
      ['debug', name, '--profile=restricted', `--image=${IMAGES.python}`, '--', '/bin/true'],
      ['patch', 'pod', name, '--subresource=resize', '--type=json', '-p', JSON.stringify(cpu)],
      ['get', '--raw', `${podsOf(namespace())}/${name}/proxy/`],
    ])
      await expect(inside(...attempt), attempt[0]).rejects.toThrow(/Only the runner may/)
  })
})

describe('a cluster that enforces the restricted standard everywhere', () => {
  it('runs every component; only what the nested tier is made of is let off', async () => {
    const level = async (name: string) =>
      await kubectl(
        'get',
        'namespace',
        name,
        '-o',
        'jsonpath={.metadata.labels.pod-security\\.kubernetes\\.io/enforce}',
      )
    expect(await Promise.all([release.namespace, release.sandboxes].map(level))).toEqual(['restricted', 'restricted'])
    expect(await level(`${release.sandboxes}-nested`)).toBe('privileged')
    const pods = await getAll('pods', '-n', release.namespace, '--field-selector', 'status.phase=Running')
    const components = pods.map(({ metadata }) => metadata.labels?.['app.kubernetes.io/component'])
    expect(components.sort()).toEqual(['api', 'rabbitmq', 'runner'])
  })
})

describe('a language', () => {
  it('has the runtime, the priority and the seccomp profile of its values, and cannot do without', async () => {
    const right = buildSandboxJob(careful, facts('careful'))
    const answer = (pod: object) => tryOut(runner, jobsOf(release.sandboxes), forge(right, { pod }))
    expect(await answer({})).toBe('admitted')
    expect(await answer({ runtimeClassName: undefined })).toMatch(/runtimeClassName/)
    expect(await answer({ priorityClassName: undefined })).toMatch(/priorityClassName/)
    const securityContext = { seccompProfile: { type: 'RuntimeDefault' } }
    expect(await answer({ securityContext })).toMatch(/seccomp profile must be/)
  })

  it('of the nested tier may fall back to the other', async () => {
    const job = buildSandboxJob(node, facts('javascript'))
    expect(await tryOut(runner, jobsOf(release.sandboxes), job)).toBe('admitted')
    expect(await tryOut(controller, podsOf(release.sandboxes), podOf(job))).toBe('admitted')
    const back = buildNestedJob(python, nested, facts('python'))
    expect(await tryOut(runner, jobsOf(`${release.sandboxes}-nested`), back)).toMatch(/image must be that/)
  })

  it('runs in a user namespace, where its nodeSelector and tolerations lead, in both tiers', async () => {
    const ran = await client.run({ language: 'python', code: 'print(open("/proc/self/uid_map").read().split())' })
    expect(ran).toMatchObject({ status: 'succeeded' })
    const [inside, outside, count] = JSON.parse(ran.stdout.replaceAll("'", '"')) as string[]
    expect([inside, count]).toEqual(['0', '65536'])
    expect(Number(outside)).toBeGreaterThan(65_535)
    expect(await client.run({ language: 'javascript', code: 'console.log(6 * 7)' })).toMatchObject({ stdout: '42\n' })
    for (const { namespace } of Object.values(tiers)) {
      const path =
        '{.items[0].spec.nodeSelector}{.items[0].spec.tolerations[?(@.key=="sandboxes")].operator}{.items[0].spec.hostUsers}'
      const found = await kubectl('get', 'pods', '-n', namespace(), '-o', `jsonpath=${path}`)
      expect(found).toBe('{"kubernetes.io/os":"linux"}Existsfalse')
    }
  })
})

describe('the RabbitMQ of the chart', () => {
  let forward: Forward
  let password: string
  const url = (user = `runlet:${password}`, vhost = '') => `amqp://${user}@127.0.0.1:${forward.port}${vhost}`
  const inside = (...args: string[]) =>
    kubectl('-n', release.namespace, 'exec', `${RELEASE}-rabbitmq-0`, '--', 'rabbitmqctl', '--quiet', ...args)

  beforeAll(async () => {
    const data = '{.data.password}'
    const secret = await kubectl(
      'get',
      'secret',
      `${RELEASE}-rabbitmq`,
      '-n',
      release.namespace,
      '-o',
      `jsonpath=${data}`,
    )
    password = Buffer.from(secret, 'base64').toString()
    forward = await forwardTo(release.namespace, `pod/${RELEASE}-rabbitmq-0`, 5672)
  })
  afterAll(() => forward?.[Symbol.asyncDispose]())

  it.each(BROKER_ATTEMPTS)('does not let our user %s', async (_, attempt) => {
    await expect(attemptAt(url(), (channel) => attempt(channel, 'runlet.'))).rejects.toThrow(/ACCESS_REFUSED/)
  })

  it('has no other user, and ours sees no other virtual host and administers nothing', async () => {
    const users = await inside('list_users', '--formatter', 'json')
    expect(JSON.parse(users)).toEqual([{ user: 'runlet', tags: [] }])
    await inside('add_vhost', 'other')
    await expect(attemptAt(url(undefined, '/other'), async () => {})).rejects.toThrow(/ConnectionClose|NOT_ALLOWED/)
    await expect(attemptAt(url('guest:guest'), async () => {})).rejects.toThrow(/ACCESS_REFUSED|403/)
  })
})
