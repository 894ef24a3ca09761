import type { MetricName, Metrics } from '../../core/metrics.ts'

/** Metrics by `name{label,label}`: sums of counters, last values of gauges, how often histograms were given something. */
export class MemoryMetrics implements Metrics {
  readonly values = new Map<string, number>()

  add = (name: MetricName, labels: object, amount = 1) => this.#put(name, labels, (before) => before + amount)
  set = (name: MetricName, labels: object, value: number) => this.#put(name, labels, () => value)
  observe = (name: MetricName, labels: object, _seconds: number) => this.#put(name, labels, (before) => before + 1)

  get(name: MetricName, ...labels: string[]): number {
    return this.values.get(`${name}{${labels}}`) ?? 0
  }

  #put(name: MetricName, labels: object, change: (before: number) => number): void {
    const key = `${name}{${Object.values(labels)}}`
    this.values.set(key, change(this.values.get(key) ?? 0))
  }
}
