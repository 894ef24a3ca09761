import { describe, expect, it } from 'vitest'
import { BUCKETS, LABELS, METRICS, type MetricDefinition } from './metrics.ts'

const table = Object.entries(METRICS) as [string, MetricDefinition][]

describe('the table of metrics', () => {
  it('names things as Prometheus does: a prefix, what it is, its unit, and _total for what only grows', () => {
    for (const [name, { kind, unit }] of table) {
      expect(name).toMatch(/^runlet_[a-z_]+$/)
      expect(name.endsWith('_total')).toBe(kind === 'counter')
      if (unit) expect(name.endsWith(`_${unit}`)).toBe(true)
      else expect(name).not.toMatch(/_(seconds|bytes)$/)
    }
  })

  it('has buckets for every histogram and for nothing else, in ascending order', () => {
    for (const [name, { kind, buckets }] of table)
      expect([name, buckets !== undefined]).toEqual([name, kind === 'histogram'])
    for (const { bounds } of Object.values(BUCKETS)) expect(bounds.toSorted((a, b) => a - b)).toEqual(bounds)
  })

  it('has no label and no buckets that nothing uses', () => {
    const used = new Set(table.flatMap(([, { labels }]) => labels))
    expect(Object.keys(LABELS).filter((label) => !used.has(label as never))).toEqual([])
    const buckets = new Set(table.map(([, definition]) => definition.buckets))
    expect(Object.keys(BUCKETS).filter((name) => !buckets.has(name as never))).toEqual([])
  })

  it('says something of each in a sentence without a stop', () => {
    for (const [, { help }] of table) expect(help).toMatch(/^[A-Z1][^\n]*[^.]$/)
  })
})
