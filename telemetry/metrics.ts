import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { BUCKETS, METRICS, type MetricDefinition, type MetricName, type Metrics } from '../core/metrics.ts'

/** What a scrape reads. */
export interface MetricsText {
  /** Everything in the text format of Prometheus. */
  text(): Promise<string>
  readonly contentType: string
}

/** All metrics of core/metrics.ts and those of the process (CPU, memory, event loop), in a registry of their own: two in one process do not meet. */
export function createMetrics(): Metrics & MetricsText {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const counters = new Map<MetricName, Counter>()
  const gauges = new Map<MetricName, Gauge>()
  const histograms = new Map<MetricName, Histogram>()
  for (const [name, definition] of Object.entries(METRICS) as [MetricName, MetricDefinition][]) {
    const options = { name, help: definition.help, labelNames: definition.labels, registers: [registry] }
    if (definition.kind === 'counter') counters.set(name, new Counter(options))
    else if (definition.kind === 'gauge') gauges.set(name, new Gauge(options))
    else histograms.set(name, new Histogram({ ...options, buckets: boundsOf(definition) }))
  }
  return {
    add: (name, labels, amount = 1) => pick(counters, name).inc(labels, amount),
    set: (name, labels, value) => pick(gauges, name).set(labels, value),
    observe: (name, labels, seconds) => pick(histograms, name).observe(labels, seconds),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
}

function boundsOf({ buckets }: MetricDefinition): number[] {
  return buckets === undefined ? [] : [...BUCKETS[buckets].bounds]
}

/** The table and the call disagree only by a mistake in our code: say which metric. */
function pick<Kind>(metrics: Map<MetricName, Kind>, name: MetricName): Kind {
  const metric = metrics.get(name)
  if (metric === undefined) throw new Error(`${name} is a ${METRICS[name].kind}, not what it is used as`)
  return metric
}
