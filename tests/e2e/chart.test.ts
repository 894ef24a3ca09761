import { describe, expect, it } from 'vitest'
import { renderChart } from '../helpers/chart-render.ts'
import type { Values } from '../helpers/cluster-release.ts'

/** How the chart renders: needs helm, and no cluster. */
interface Manifest {
  kind: string
  metadata: { name: string; namespace?: string; labels?: Record<string, string> }
  spec?: { template?: { spec: PodSpec; metadata: { annotations?: Record<string, string> } }; [key: string]: unknown }
}
interface PodSpec {
  containers: {
    image: string
    env: { name: string; value?: string }[]
    securityContext: object
    resources: { requests?: object; limits?: object }
  }[]
  securityContext: object
  automountServiceAccountToken: boolean
  terminationGracePeriodSeconds: number
}

const render = renderChart<Manifest>

function find(manifests: Manifest[], kind: string, name: string): Manifest {
  const found = manifests.find((manifest) => manifest.kind === kind && manifest.metadata.name === name)
  if (!found) throw new Error(`There is no ${kind} ${name}`)
  return found
}

function podOf(manifests: Manifest[], component: 'api' | 'runner' | 'rabbitmq'): PodSpec {
  const kind = component === 'rabbitmq' ? 'StatefulSet' : 'Deployment'
  const template = find(manifests, kind, `runlet-${component}`).spec?.template
  if (!template) throw new Error(`${component} has no pod`)
  return template.spec
}

function environmentOf(manifests: Manifest[], component: 'api' | 'runner'): Record<string, string | undefined> {
  const env = podOf(manifests, component).containers[0]?.env ?? []
  return Object.fromEntries(env.map(({ name, value }) => [name, value]))
}

const memoryLimit = (memory: string) => ({ resources: { limits: { memory } } })
const unguarded = { sandboxes: { admissionPolicy: false }, languages: { python: { tier: 'nested' } } }
const external = { enabled: false, url: 'amqp://user:secret@elsewhere' }

describe('values that are wrong together', () => {
  it.each<[sentence: RegExp, values: Values]>([
    [/set rabbitmq\.url, or rabbitmq\.existingSecret/, { rabbitmq: { enabled: false } }],
    [/both set: keep one/, { rabbitmq: { ...external, existingSecret: 'x' } }],
    [/a RabbitMQ that nobody uses: set rabbitmq\.enabled=false/, { rabbitmq: { url: external.url } }],
    [/set sandboxes\.namespace\.name to the namespace/, { sandboxes: { namespace: { create: false } } }],
    [/need a namespace of their own/, { sandboxes: { namespace: { name: 'default' } } }],
    [/languages\.python\.warm is 9.* raise max or lower warm/, { languages: { python: { warm: 9 } } }],
    [/Both languages\.\w+ and languages\.\w+ are called "js"/, { languages: { python: { aliases: ['js'] } } }],
    [/at least one entry of languages/, { languages: { python: null, javascript: null } }],
    [/hold 32 sandboxes at a time.*quota\.pods allows 31/, { sandboxes: { quota: { pods: 31 } } }],
    [/minReplicas is 11, above maxReplicas = 10/, { api: { autoscaling: { enabled: true, minReplicas: 11 } } }],
    [/Raise drainSeconds above it/, { limits: { wallTimeMs: { maximum: 300_000 } } }],
    [/gracePeriodSeconds = 60 is too short/, { api: { runWaitMs: 50_000 } }],
    [/python\.resources\.limits\.memory = 400Mi ends its/, { languages: { python: memoryLimit('400Mi') } }],
    [/api\.limits\.runs is a limit of each API key, and there are none/, { api: { limits: { runs: 5 } } }],
    [/admissionPolicy is false: languages with the nested/, unguarded],
    [/may ask for 1073741824 bytes of memory/, { limits: { memoryBytes: { maximum: 1_073_741_824 } } }],
  ])('are refused: %s', async (sentence, values) => {
    await expect(render(values)).rejects.toThrow(sentence)
  })

  it.each<[string, Values]>([
    ['a misspelt name', { runner: { replica: 3 } }],
    ['an unknown tier', { languages: { python: { tier: 'hover' } } }],
    ['a language without an image', { languages: { ruby: { warm: 1, max: 2 } } }],
    ['a name of a language that is no label', { languages: { 'C++': { image: 'cpp', warm: 1, max: 2 } } }],
    ['text where a number belongs', { records: { retentionSeconds: '1h' } }],
    ['more than all requests', { telemetry: { traces: { ratio: 2 } } }],
    ['a collector without a scheme', { telemetry: { traces: { endpoint: 'collector:4317' } } }],
  ])('are refused by the schema: %s', async (_, values) => {
    await expect(render(values)).rejects.toThrow(/schema/)
  })
})

describe('names', () => {
  const places = (manifests: Manifest[]) =>
    manifests.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`)

  it.each([
    [
      { release: 'one', namespace: 'apps' },
      { release: 'two', namespace: 'apps' },
    ],
    [
      { release: 'runlet', namespace: 'here' },
      { release: 'runlet', namespace: 'there' },
    ],
  ])('of %o and %o have nothing in common', async (first, second) => {
    const [one, two] = await Promise.all([render({}, first), render({}, second)])
    expect(places(one).filter((place) => places(two).includes(place))).toEqual([])
  })

  it.each([
    ['runlet', 'default', 'runlet-sandboxes'],
    ['runlet', 'runlet', 'runlet-sandboxes'],
    ['runlet', 'apps', 'apps-runlet-sandboxes'],
    ['judge', 'apps', 'apps-judge-runlet-sandboxes'],
  ])('release %s in namespace %s has its sandboxes in %s', async (release, namespace, expected) => {
    const manifests = await render({}, { release, namespace })
    expect(manifests.filter(({ kind }) => kind === 'Namespace').map(({ metadata }) => metadata.name)).toEqual([
      expected,
    ])
  })
})

describe('what is passed on', () => {
  it('is only what is set: all else has its default in the code', async () => {
    const manifests = await render()
    expect(Object.keys(environmentOf(manifests, 'api')).sort()).toEqual(
      ['AMQP_URL', 'ID_KEY', 'LANGUAGES', 'METRICS_PORT', 'NAMESPACE', 'PORT', 'RABBITMQ_PASSWORD'].sort(),
    )
    expect(environmentOf(manifests, 'runner')).toMatchObject({ DRAIN_SECONDS: '65', RUNNER_NAME: undefined })
    expect(podOf(manifests, 'runner').terminationGracePeriodSeconds).toBe(90)
  })

  it('is what was set, in plain digits', async () => {
    const values = {
      records: { retentionSeconds: 86_400, totalBytes: 1_000_000_000 },
      limits: { memoryBytes: { maximum: 2_147_483_648 } },
      languages: { python: memoryLimit('2.5Gi'), javascript: memoryLimit('3G') },
      queue: { prefix: 'team.', deliveryLimit: 0 },
      timings: true,
      telemetry: { traces: { endpoint: 'http://collector.observability:4318', ratio: 0.05 } },
    }
    const manifests = await render(values)
    expect(environmentOf(manifests, 'runner')).toMatchObject({
      ...{ RETENTION_SECONDS: '86400', RECORDED_BYTES: '1000000000', QUEUE_PREFIX: 'team.', DELIVERY_LIMIT: '0' },
      ...{ TIMINGS: 'true', TRACES_ENDPOINT: 'http://collector.observability:4318', TRACES_RATIO: '0.050000' },
    })
    expect(JSON.parse(environmentOf(manifests, 'api').LIMITS ?? '')).toEqual(values.limits)
    expect(JSON.stringify(podOf(manifests, 'rabbitmq'))).toContain('"^team[.]"')
  })

  it('has images with their registry and version, and what a language asks of nodes', async () => {
    const tolerations = [{ key: 'sandboxes', operator: 'Exists' }]
    const manifests = await render({
      image: { registry: 'registry.example.com/team/', tag: 'v2', pullSecrets: [{ name: 'pull' }] },
      languages: {
        python: { runtimeClassName: 'gvisor', hostUsers: false, tolerations },
        javascript: { image: 'own:1' },
      },
    })
    expect(podOf(manifests, 'api').containers[0]?.image).toBe('registry.example.com/team/runlet/service:v2')
    const languages = JSON.parse(environmentOf(manifests, 'runner').LANGUAGES ?? '')
    expect(languages.python).toMatchObject({
      ...{ image: 'registry.example.com/team/runlet/python:v2', imagePullSecrets: ['pull'] },
      ...{ runtimeClassName: 'gvisor', hostUsers: false, tolerations },
    })
    expect(languages.javascript.image).toBe('own:1')
    // A pool that changes does not restart the API.
    expect(JSON.parse(environmentOf(manifests, 'api').LANGUAGES ?? '')).toEqual({
      javascript: { aliases: ['js', 'node', 'nodejs'] },
      python: { aliases: ['py', 'python3'] },
    })
  })
})

describe('every pod', () => {
  it('is restricted, bounded, and has a token only where it is used', async () => {
    const manifests = await render()
    for (const component of ['api', 'runner', 'rabbitmq'] as const) {
      const pod = podOf(manifests, component)
      expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
      expect(pod.automountServiceAccountToken).toBe(component !== 'rabbitmq')
      for (const { securityContext, resources } of pod.containers) {
        expect(securityContext).toEqual({
          ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
          capabilities: { drop: ['ALL'] },
        })
        expect(resources).toMatchObject({ requests: { cpu: '100m' }, limits: { memory: expect.any(String) } })
      }
    }
  })

  it('has its own RabbitMQ only where none is named', async () => {
    const manifests = await render({ rabbitmq: external })
    expect(manifests.filter(({ kind }) => kind === 'StatefulSet')).toEqual([])
    expect(environmentOf(manifests, 'api')).toMatchObject({ AMQP_URL: undefined })
    expect(JSON.stringify(find(manifests, 'NetworkPolicy', 'runlet-runner').spec)).toContain('{"port":5671}')
  })

  it.each([
    ['http://collector.observability:4318', 4318],
    ['https://traces.example.com/otlp', 443],
    ['http://[fd00::1]:4318', 4318],
    ['http://collector', 80],
  ])('may reach the collector of traces at %s, where there is one', async (endpoint, port) => {
    const rule = JSON.stringify({ ports: [{ port }] })
    const [without, having] = await Promise.all([render(), render({ telemetry: { traces: { endpoint } } })])
    for (const component of ['api', 'runner']) {
      const policy = (manifests: Manifest[]) =>
        JSON.stringify(find(manifests, 'NetworkPolicy', `runlet-${component}`).spec)
      expect(policy(having)).toContain(rule)
      expect(policy(without)).not.toContain(rule)
    }
  })
})

describe('the Ingress', () => {
  it('leads to the API and its pages, and to nothing else', async () => {
    const tls = [{ hosts: ['run.example.com'], secretName: 'cert' }]
    const manifests = await render({ ingress: { className: 'nginx', host: 'run.example.com', tls } })
    const { spec } = find(manifests, 'Ingress', 'runlet')
    expect(spec).toMatchObject({ ingressClassName: 'nginx', tls, rules: [{ host: 'run.example.com' }] })
    const paths = JSON.stringify(spec).matchAll(/"path":"([^"]+)"/g)
    expect([...paths].map(([, path]) => path)).toEqual(['/api', '/openapi.json', '/docs'])
  })
})
