import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { metricsPage } from '../scripts/metrics-page.ts'

describe('docs/metrics.md', () => {
  it('says what core/metrics.ts says: npm run docs', () => {
    expect(readFileSync(new URL('../docs/metrics.md', import.meta.url), 'utf8')).toBe(metricsPage())
  })
})
