import { BUCKETS, LABELS, METRICS, type MetricDefinition } from '../core/metrics.ts'

/** docs/metrics.md as it must be: core/metrics.ts for those who read no code. */
export function metricsPage(): string {
  const rows = Object.entries(METRICS) as [string, MetricDefinition][]
  const of = (process: MetricDefinition['of']) => rows.filter(([, metric]) => metric.of === process).map(metricRow)
  return `# Metrics

Made by \`npm run docs\` from core/metrics.ts. The api and the runner serve them on port 9090 at \`/metrics\`, the embedded mode at \`/metrics\` on its own port. \`monitoring\` in
values makes the ServiceMonitor, the alerts and the dashboard that read them. Besides these there are those of the process (CPU, memory, event loop, descriptors; prom-client's
default metrics), and those of RabbitMQ on its port 15692.

## The api

${table(['metric', 'kind', 'labels', 'what'], of('api'))}

## The runner

${table(['metric', 'kind', 'labels', 'what'], of('runner'))}

## Labels

Closed sets: the number of series does not grow with use.

${table(['label', 'values'], Object.entries(LABELS))}

## Buckets

${table(
  ['name', 'upper bounds in seconds', 'why these'],
  Object.entries(BUCKETS).map(([name, { bounds, why }]) => [name, bounds.join(', '), why]),
)}
`
}

function metricRow([name, { kind, labels, help, buckets }]: [string, MetricDefinition]): string[] {
  return [`\`${name}\``, buckets ? `${kind} (${buckets})` : kind, labels.join(', '), help]
}

function table(head: string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
