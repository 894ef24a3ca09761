export interface Summary {
  count: number
  p50: number
  p95: number
  p99: number
  perSecond?: number
}

/** Nearest-rank percentiles of times in milliseconds. */
export function summarize(times: readonly number[]): Summary {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}
