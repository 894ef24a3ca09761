import { readFileSync } from 'node:fs'
import { loadYaml } from '@kubernetes/client-node'
import { describe, expect, it } from 'vitest'
import { METRICS, type MetricDefinition } from '../core/metrics.ts'
import { createMetrics } from '../telemetry/metrics.ts'

/** The dashboard and the alerts of the chart against what is really measured: a metric that was renamed would leave an empty panel and an alert that never comes. */
const read = (path: string) => readFileSync(new URL(`../charts/runlet/${path}`, import.meta.url), 'utf8')

interface Alert {
  alert: string
  expr: string
  for?: string
  labels: { severity: string }
  annotations: { summary: string; description: string }
}
interface Panel {
  title: string
  type: string
  gridPos: { x: number; y: number; w: number; h: number }
  targets?: { expr: string; legendFormat: string }[]
}

const alerts = loadYaml<Alert[]>(read('alerts.yaml'))
const dashboard = JSON.parse(read('dashboard.json')) as {
  panels: Panel[]
  templating: { list: { name: string; query: string }[] }
}

/** Of RabbitMQ (plugin rabbitmq_prometheus, 3.10 to 4). */
const RABBITMQ = [
  'rabbitmq_alarms_memory_used_watermark',
  'rabbitmq_alarms_free_disk_space_watermark',
  'rabbitmq_queue_messages_ready',
  'rabbitmq_queue_messages_unacked',
]

const ours = Object.entries(METRICS) as [string, MetricDefinition][]
const series = new Map(
  ours.flatMap(([name, { kind, labels }]): [string, readonly string[]][] =>
    kind === 'histogram'
      ? [
          [`${name}_bucket`, [...labels, 'le']],
          ...['_sum', '_count'].map((end): [string, readonly string[]] => [name + end, labels]),
        ]
      : [[name, labels]],
  ),
)
/** What Prometheus adds to everything that it scrapes. */
const ADDED = ['namespace', 'pod']

const ofProcess = new Set(
  [...(await createMetrics().text()).matchAll(/^# TYPE (process_\w+|nodejs_\w+)/gm)].map(([, name = '']) => name),
)

const expressions = [
  ...alerts.map(({ alert, expr }) => [alert, expr]),
  ...dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr])),
  ...dashboard.templating.list.filter(({ query }) => query.includes('(')).map(({ name, query }) => [name, query]),
] as [string, string][]

describe.each(expressions)('%s', (_, expression) => {
  const used = expression.matchAll(/\b((?:runlet|rabbitmq|process|nodejs|kube|container)_\w+)(?:\{([^}]*)\})?/g)
  const metrics = [...used].map(([, name = '', matchers = '']) => ({
    name,
    labels: [...matchers.matchAll(/(\w+)(?:=~|!~|!=|=)"/g)].map(([, label = '']) => label),
  }))

  it('names metrics that exist, by labels that they have', () => {
    expect(metrics.length).toBeGreaterThan(0)
    for (const { name, labels } of metrics) {
      const known = series.get(name)
      expect(known !== undefined || RABBITMQ.includes(name) || ofProcess.has(name), name).toBe(true)
      if (known) expect(labels.filter((label) => ![...known, ...ADDED].includes(label))).toEqual([])
    }
  })

  it('groups by labels that they have, and balances its brackets', () => {
    const all = [...metrics.flatMap(({ name }) => series.get(name) ?? []), ...ADDED]
    const grouped = [...expression.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/,\s*/))
    expect(grouped.filter((label) => !all.includes(label))).toEqual([])
    expect(expression.split('(').length).toBe(expression.split(')').length)
  })
})

describe('every alert', () => {
  it('has a name of its own, says how bad it is, and what to do', () => {
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length)
    for (const { alert, labels, annotations } of alerts) {
      expect(alert).toMatch(/^Runlet[A-Z]\w+$/)
      expect(['critical', 'warning', 'info']).toContain(labels.severity)
      expect(annotations.summary.length * annotations.description.length).toBeGreaterThan(0)
    }
  })
})

describe('the dashboard', () => {
  it('shows everything that tells how Runlet does', () => {
    const text = JSON.stringify([dashboard, alerts])
    const missing = ours.filter(([name]) => !text.includes(name)).map(([name]) => name)
    expect(missing).toEqual([])
  })

  it('has no two panels in one place, and none beyond the edge', () => {
    for (const [index, { gridPos: one }] of dashboard.panels.entries()) {
      expect(one.x + one.w).toBeLessThanOrEqual(24)
      const over = dashboard.panels.slice(index + 1).filter(({ gridPos: other }) => {
        const beside = one.x + one.w <= other.x || other.x + other.w <= one.x
        return !beside && !(one.y + one.h <= other.y || other.y + other.h <= one.y)
      })
      expect(over).toEqual([])
    }
  })
})
