/**
 * Every metric of every process, in one table; docs/metrics.md is made from it (`npm run docs`). Labels are closed sets, all of them in LABELS: never ids,
 * messages or names of pods, so that the number of series does not grow with use.
 */
export interface MetricDefinition {
  kind: 'counter' | 'gauge' | 'histogram'
  /** What one of it is: part of the name, as Prometheus wants it, but for counts. */
  unit?: 'seconds' | 'bytes'
  help: string
  labels: readonly LabelName[]
  /** Of a histogram: a name in BUCKETS. */
  buckets?: keyof typeof BUCKETS
  /** Which process has it; the embedded mode is both. */
  of: 'api' | 'runner'
}

/** Upper bounds in seconds, and why these. */
export const BUCKETS = {
  execution: {
    bounds: [0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    why: 'narrow where a warm execution ends (3 to 50 ms), wide where a cold one or a long program does',
  },
  start: {
    bounds: [0.001, 0.01, 0.03, 0.1, 0.3, 0.6, 1, 1.5, 2.5, 5, 10, 30, 120],
    why: 'a slot of a nested sandbox takes under 1 ms, a bubblewrap process 50 ms, a pod 0.6 to 2 s, a node that has to come first minutes',
  },
  write: {
    bounds: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30],
    why: 'SQLite takes under 1 ms, an API server 5 to 20 ms, and a write is tried again for 30 s',
  },
  queue: {
    bounds: [0.002, 0.01, 0.05, 0.25, 1, 5, 15, 60, 300, 900, 3600],
    why: 'runs pass in milliseconds and are given up after half a minute; scheduled executions may wait for an hour',
  },
} as const satisfies Record<string, { bounds: readonly number[]; why: string }>

/** Every label, with the values that it can have. */
export const LABELS = {
  language: 'canonical names of LANGUAGES',
  route: 'paths of the HTTP interface, `other`',
  method: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, `other`',
  code: 'HTTP status codes that the interface declares',
  kind: '`run`, `schedule`',
  status: 'final statuses of an execution',
  path: '`warm`: a sandbox was ready; `cold`: it had to be started; `none`: it never got one',
  state: '`starting`, `idle`, `claimed`, `ending`',
  reason:
    '`start`: it could not be started; `no_room`: a quota or full nodes refused it; `lost_idle`, `lost_claimed`: it ended before its time',
  verdict: '`ack`, `requeue`, `dead-letter`',
  queue: '`executions`, `runs`, `dead-letters`, `parked` (for a newer version of Runlet)',
  end: '`recorded` as lost; `answered`: its caller heard that there was no capacity; `known`: it had ended after all; `rescheduled`: a run that goes on as a scheduled execution, as its caller was told 202; `failed`: nothing of this could be done, and it is tried again',
  cause: '`silent`: it said nothing for too long; `gone`: too old to go on from (410); `failed`: anything else',
} as const

export type LabelName = keyof typeof LABELS

export const METRICS = {
  runlet_http_requests_total: {
    ...{ kind: 'counter', of: 'api', labels: ['route', 'method', 'code'] },
    help: 'HTTP requests answered',
  },
  runlet_http_request_seconds: {
    ...{ kind: 'histogram', unit: 'seconds', of: 'api', labels: ['route'], buckets: 'execution' },
    help: 'Time to answer an HTTP request',
  },
  runlet_executions_accepted_total: {
    ...{ kind: 'counter', of: 'api', labels: ['language', 'kind'] },
    help: 'Executions handed to the queue',
  },
  runlet_records_indexed: {
    ...{ kind: 'gauge', of: 'api', labels: [] },
    help: 'Executions whose record this replica knows',
  },
  runlet_record_cache_bytes: {
    ...{ kind: 'gauge', unit: 'bytes', of: 'api', labels: [] },
    help: 'Records kept in memory',
  },
  runlet_watch_lag_seconds: {
    ...{ kind: 'histogram', unit: 'seconds', of: 'api', labels: [], buckets: 'write' },
    help: 'Time from the end of an execution until this replica knows its record; as exact as the clocks of the nodes agree',
  },
  runlet_watch_restarts_total: {
    ...{ kind: 'counter', of: 'api', labels: ['cause'] },
    help: 'Watches of the records that broke and were begun anew',
  },
  runlet_executions_total: {
    ...{ kind: 'counter', of: 'runner', labels: ['language', 'status', 'path'] },
    help: 'Executions that ended',
  },
  runlet_execution_seconds: {
    ...{ kind: 'histogram', unit: 'seconds', of: 'runner', labels: ['language', 'path'], buckets: 'execution' },
    help: 'Time from delivery to result',
  },
  runlet_queue_messages: {
    ...{ kind: 'gauge', of: 'runner', labels: ['language', 'queue'] },
    help: 'Messages that wait in a queue; each runner says the same, so take the maximum. Dead letters and what is parked have the language `all`',
  },
  runlet_queue_age_seconds: {
    ...{ kind: 'gauge', unit: 'seconds', of: 'runner', labels: ['language', 'queue'] },
    help: 'The longest that the oldest message of a queue can have waited, as far as this runner knows; take the minimum over runners',
  },
  runlet_queue_seconds: {
    ...{ kind: 'histogram', unit: 'seconds', of: 'runner', labels: ['language', 'queue'], buckets: 'queue' },
    help: 'Time from being accepted to being delivered the first time; as exact as the clocks of the nodes agree',
  },
  runlet_deliveries_total: {
    ...{ kind: 'counter', of: 'runner', labels: ['language', 'verdict'] },
    help: 'Messages taken from the queue, by what became of them',
  },
  runlet_redeliveries_total: {
    ...{ kind: 'counter', of: 'runner', labels: ['language'] },
    help: 'Messages that may have been handed out before: retries after trouble of ours, or a runner that was lost',
  },
  runlet_run_retries_total: {
    ...{ kind: 'counter', of: 'runner', labels: ['language'] },
    help: 'Runs that lost their sandbox and were tried again in another one',
  },
  runlet_dead_letters_total: {
    ...{ kind: 'counter', of: 'runner', labels: ['language', 'end'] },
    help: 'Executions that were given up, by what became of them',
  },
  runlet_claim_seconds: {
    ...{ kind: 'histogram', unit: 'seconds', of: 'runner', labels: ['language', 'path'], buckets: 'execution' },
    help: 'Time to get a sandbox',
  },
  runlet_sandbox_start_seconds: {
    ...{ kind: 'histogram', unit: 'seconds', of: 'runner', labels: ['language'], buckets: 'start' },
    help: 'Time from creating a sandbox to its ready frame',
  },
  runlet_sandboxes: {
    ...{ kind: 'gauge', of: 'runner', labels: ['language', 'state'] },
    help: 'Sandboxes of this runner',
  },
  runlet_pool_wanted: {
    ...{ kind: 'gauge', of: 'runner', labels: ['language'] },
    help: 'Idle sandboxes that the pool fills up to, as demand asks for; docs/scaling.md has the formula',
  },
  runlet_pool_max: {
    ...{ kind: 'gauge', of: 'runner', labels: ['language'] },
    help: 'Sandboxes that this runner may have at a time',
  },
  runlet_pool_waiting: {
    ...{ kind: 'gauge', of: 'runner', labels: ['language'] },
    help: 'Executions that this runner has taken and that wait for a sandbox',
  },
  runlet_pool_held: {
    ...{ kind: 'gauge', of: 'runner', labels: ['language'] },
    help: '1 while sandboxes are not refilled because starting them fails',
  },
  runlet_sandbox_failures_total: {
    ...{ kind: 'counter', of: 'runner', labels: ['language', 'reason'] },
    help: 'Sandboxes that could not be started or were lost',
  },
  runlet_tier_fallback: {
    kind: 'gauge',
    help: '1 while a language that is to share Jobs (tier: nested) gets a Job for each execution, because the cluster can not',
    labels: ['language'],
    of: 'runner',
  },
  runlet_record_seconds: {
    ...{ kind: 'histogram', unit: 'seconds', of: 'runner', labels: [], buckets: 'write' },
    help: 'Time to write a record, all attempts together',
  },
  runlet_record_failures_total: {
    ...{ kind: 'counter', of: 'runner', labels: [] },
    help: 'Attempts to write a record that failed',
  },
  runlet_recorded_bytes: {
    ...{ kind: 'gauge', unit: 'bytes', of: 'runner', labels: [] },
    help: 'Records in the cluster, as the janitor last saw them',
  },
  runlet_events_dropped_total: {
    ...{ kind: 'counter', of: 'runner', labels: [] },
    help: 'Events that were not written: too many at a time, or refused',
  },
  runlet_janitor_removed_total: {
    ...{ kind: 'counter', of: 'runner', labels: [] },
    help: 'Finished Jobs removed before their time, to stay in the byte budget',
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
