import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { renderChart } from '../helpers/chart-render.ts'
import type { Values } from '../helpers/cluster-release.ts'

/** What scales and watches a release, as it renders: needs helm, and no cluster. */
interface Manifest {
  kind: string
  metadata: { name: string; namespace: string; labels: Record<string, string> }
  spec: Record<string, unknown>
  data: Record<string, string>
}

const fields = JSON.parse(readFileSync(new URL('../fixtures/crds.json', import.meta.url), 'utf8'))

/** Where a value is not of the shape that `shape` describes (see fixtures/crds.json). */
function faults(value: unknown, shape: unknown, path: string): string[] {
  if (typeof shape === 'string') {
    const fits = shape === 'integer' ? Number.isInteger(value) : typeof value === shape
    return fits ? [] : [`${path} is no ${shape}`]
  }
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return [`${path} is no list`]
    return value.flatMap((item, index) => faults(item, shape[0], `${path}[${index}]`))
  }
  const known = shape as Record<string, unknown>
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${path} is no object`]
  return Object.entries(value).flatMap(([key, inner]) => {
    const next = known[key] ?? known['*']
    return next === undefined ? [`${path}.${key} does not exist`] : faults(inner, next, `${path}.${key}`)
  })
}

async function renderOne(kind: string, values: Values): Promise<Manifest> {
  const found = (await renderChart<Manifest>(values)).filter((manifest) => manifest.kind === kind)
  expect(found).toHaveLength(1)
  return found[0] as Manifest
}

const keda = (more: object = {}) => ({ runner: { autoscaling: { enabled: true, ...more } } })
const monitored = (part: string, more: object = {}) => ({ monitoring: { [part]: { enabled: true, ...more } } })

describe('scaling and monitoring', () => {
  it('are off until they are asked for: their resources are of others, and may not exist', async () => {
    const kinds = (await renderChart<Manifest>()).map(({ kind }) => kind)
    for (const kind of ['ScaledObject', 'TriggerAuthentication', 'ServiceMonitor', 'PrometheusRule'])
      expect(kinds).not.toContain(kind)
    expect(kinds).not.toContain('HorizontalPodAutoscaler')
  })

  it.each<[kind: string, values: Values]>([
    ['HorizontalPodAutoscaler', { api: { autoscaling: { enabled: true } } }],
    ['ScaledObject', keda()],
    ['TriggerAuthentication', keda()],
    ['ServiceMonitor', monitored('serviceMonitor')],
    ['PrometheusRule', monitored('alerts')],
  ])('have no field that a %s does not have', async (kind, values) => {
    const { spec } = await renderOne(kind, values)
    expect(faults(spec, fields[kind], 'spec')).toEqual([])
  })

  it.each<[sentence: RegExp, values: Values]>([
    [/runner\.autoscaling\.minReplicas is 11, above maxReplicas = 10/, keda({ minReplicas: 11 })],
    [/hold 160 sandboxes at a time.*quota\.pods allows 100/, { ...keda(), sandboxes: { quota: { pods: 100 } } }],
    [/kedaFrom is empty/, { ...keda(), networkPolicy: { kedaFrom: [] } }],
  ])('are refused when they contradict something: %s', async (sentence, values) => {
    await expect(renderChart(values)).rejects.toThrow(sentence)
  })
})

describe('the api', () => {
  it('has the number of replicas that the HorizontalPodAutoscaler says, and not one of its own', async () => {
    const values = { api: { autoscaling: { enabled: true, minReplicas: 3, maxReplicas: 5, cpuPercent: 60 } } }
    const { spec } = await renderOne('HorizontalPodAutoscaler', values)
    expect(spec).toMatchObject({
      ...{ minReplicas: 3, maxReplicas: 5, scaleTargetRef: { kind: 'Deployment', name: 'runlet-api' } },
      metrics: [{ resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 60 } } }],
    })
    const deployments = (await renderChart<Manifest>(values)).filter(({ kind }) => kind === 'Deployment')
    expect(deployments.map(({ metadata, spec }) => [metadata.name, 'replicas' in spec])).toEqual([
      ['runlet-api', false],
      ['runlet-runner', true],
    ])
  })
})

describe('the runners', () => {
  it('follow both queues of every language', async () => {
    const { spec } = await renderOne('ScaledObject', { ...keda(), queue: { prefix: 'team.' } })
    const triggers = spec.triggers as { metadata: { queueName: string; value: string } }[]
    expect(triggers.map(({ metadata }) => `${metadata.queueName} ${metadata.value}`).sort()).toEqual([
      'team.executions.javascript 50',
      'team.executions.python 50',
      'team.runs.javascript 5',
      'team.runs.python 5',
    ])
  })

  it('are looked after with a URL that leads to RabbitMQ from another namespace, and the quota is for the most of them', async () => {
    const manifests = await renderChart<Manifest>(keda(), { namespace: 'apps' })
    const find = (kind: string, name: string) =>
      manifests.find((one) => one.kind === kind && one.metadata.name === name) as Manifest
    const { url = '', password = '' } = find('Secret', 'runlet-rabbitmq').data
    const plain = (text: string) => Buffer.from(text, 'base64').toString()
    expect(plain(url)).toBe(`amqp://runlet:${plain(password)}@runlet-rabbitmq.apps:5672/`)
    expect(JSON.stringify(find('NetworkPolicy', 'runlet-rabbitmq').spec)).toContain(
      '"kubernetes.io/metadata.name":"keda"',
    )
    expect(find('ResourceQuota', 'runlet').spec.hard).toMatchObject({ pods: '320' })
  })
})

describe('what Prometheus and Grafana get', () => {
  it('has the labels by which they find it', async () => {
    const labels = { release: 'prometheus' }
    for (const [part, kind] of [
      ['serviceMonitor', 'ServiceMonitor'],
      ['alerts', 'PrometheusRule'],
    ] as const)
      expect((await renderOne(kind, monitored(part, { labels }))).metadata.labels).toMatchObject(labels)
  })

  it('is about this release: the namespace is in every expression', async () => {
    const manifests = await renderChart<Manifest>(monitored('alerts'), { namespace: 'apps' })
    const { spec } = manifests.find(({ kind }) => kind === 'PrometheusRule') as Manifest
    const [{ rules = [] } = {}] = spec.groups as { rules?: { expr: string }[] }[]
    expect(rules.length).toBeGreaterThan(10)
    for (const { expr } of rules) {
      expect(expr).toContain('namespace="apps"')
      expect(expr).not.toContain('$')
    }
  })

  it('has the dashboard as it is in the chart', async () => {
    const manifests = await renderChart<Manifest>(monitored('dashboard'))
    const { data, metadata } = manifests.find(({ metadata }) => metadata.name === 'runlet-dashboard') as Manifest
    const file = readFileSync(new URL('../../charts/runlet/dashboard.json', import.meta.url), 'utf8')
    expect(JSON.parse(data['runlet.json'] ?? '')).toEqual(JSON.parse(file))
    expect(metadata.labels).toMatchObject({ grafana_dashboard: '1' })
  })
})
