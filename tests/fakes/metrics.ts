import type { MetricName, Metrics } from '../../core/metrics.ts'

/** Metrics by `name{label,label}`: sums of counters, last values of gauges, how often histograms were given something, and what. */
export class MemoryMetrics implements Metrics {
  readonly values = new Map<string, number>()
  /** Seconds, by the name of the histogram. */
  readonly observed = new Map<MetricName, number[]>()

  add = (name: MetricName, labels: object, amount = 1) => this.#put(name, labels, (before) => before + amount)
  set = (name: MetricName, labels: object, value: number) => this.#put(name, labels, () => value)
  observe = (name: MetricName, labels: object, seconds: number) => {
    this.observed.set(name, [...(this.observed.get(name) ?? []), seconds])
    this.#put(name, labels, (before) => before + 1)
  }

  get(name: MetricName, ...labels: string[]): number {
    return this.values.get(`${name}{${labels}}`) ?? 0
  }

  #put(name: MetricName, labels: object, change: (before: number) => number): void {
    const key = `${name}{${Object.values(labels)}}`
    this.values.set(key, change(this.values.get(key) ?? 0))
  }
}
