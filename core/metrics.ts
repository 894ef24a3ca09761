/**
 * Every metric of every process, in one table. Labels are closed sets (language, status, path, ...): never ids, messages or pod names.
 * Buckets of times are in seconds, as Prometheus wants them; they are narrow where a warm execution ends (3 to 50 ms) and wide where a cold one does.
 */
const SECONDS = [0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

export interface MetricDefinition {
  kind: 'counter' | 'gauge' | 'histogram'
  help: string
  labels: readonly string[]
  buckets?: readonly number[]
}

export const METRICS = {
  runlet_http_requests_total: { kind: 'counter', help: 'HTTP requests answered', labels: ['route', 'method', 'code'] },
  runlet_http_request_seconds: {
    kind: 'histogram',
    help: 'Time to answer an HTTP request',
    labels: ['route'],
    buckets: SECONDS,
  },
  runlet_executions_accepted_total: {
    kind: 'counter',
    help: 'Executions handed to the queue',
    labels: ['language', 'kind'],
  },
  runlet_records_indexed: { kind: 'gauge', help: 'Executions whose record this replica knows', labels: [] },
  runlet_record_cache_bytes: { kind: 'gauge', help: 'Bytes of records kept in memory', labels: [] },
  runlet_executions_total: { kind: 'counter', help: 'Executions that ended', labels: ['language', 'status', 'path'] },
  runlet_execution_seconds: {
    kind: 'histogram',
    help: 'Time from delivery to result',
    labels: ['language', 'path'],
    buckets: SECONDS,
  },
  runlet_claim_seconds: {
    kind: 'histogram',
    help: 'Time to get a sandbox',
    labels: ['language', 'path'],
    buckets: SECONDS,
  },
  runlet_sandbox_start_seconds: {
    kind: 'histogram',
    help: 'Time from creating a sandbox to its ready frame',
    labels: ['language'],
    buckets: SECONDS,
  },
  runlet_sandboxes: { kind: 'gauge', help: 'Sandboxes of this runner', labels: ['language', 'state'] },
  runlet_sandbox_failures_total: {
    kind: 'counter',
    help: 'Sandboxes that could not be started or were lost',
    labels: ['language', 'reason'],
  },
  runlet_pool_wanted: {
    kind: 'gauge',
    help: 'Idle sandboxes that the pool fills up to, as demand asks for',
    labels: ['language'],
  },
  runlet_pool_held: {
    kind: 'gauge',
    help: '1 while sandboxes are not refilled because starting them fails',
    labels: ['language'],
  },
  runlet_record_seconds: { kind: 'histogram', help: 'Time to write a record', labels: [], buckets: SECONDS },
  runlet_deliveries_total: {
    kind: 'counter',
    help: 'Messages taken from the queue, by what became of them',
    labels: ['language', 'verdict'],
  },
  runlet_recorded_bytes: {
    kind: 'gauge',
    help: 'Bytes of records in the cluster, as the janitor last saw them',
    labels: [],
  },
  runlet_janitor_removed_total: {
    kind: 'counter',
    help: 'Finished Jobs removed before their time, to stay in the byte budget',
    labels: [],
  },
} as const satisfies Record<string, MetricDefinition>

export type MetricName = keyof typeof METRICS

type LabelsOf<Name extends MetricName> = { [Label in (typeof METRICS)[Name]['labels'][number]]: string }

/** Counts and measures. `add` is for counters, `set` for gauges, `observe` (seconds) for histograms. */
export interface Metrics {
  add<Name extends MetricName>(name: Name, labels: LabelsOf<Name>, amount?: number): void
  set<Name extends MetricName>(name: Name, labels: LabelsOf<Name>, value: number): void
  observe<Name extends MetricName>(name: Name, labels: LabelsOf<Name>, seconds: number): void
}
