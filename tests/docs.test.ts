import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { metricsPage } from '../scripts/metrics-page.ts'

describe('docs/metrics.md', () => {
  it('says what core/metrics.ts says: npm run docs', () => {
    expect(readFileSync(new URL('../docs/metrics.md', import.meta.url), 'utf8')).toBe(metricsPage())
  })
})

describe('docs/reliability.md', () => {
  const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
  const rows = [...read('docs/reliability.md').matchAll(/`([\w./-]+\.test\.ts)` "([^"]+)"/g)]

  it('names a test for each word of its promise', () => {
    expect(rows.length).toBeGreaterThan(10)
  })

  it.each(rows.map(([, file = '', name = '']) => ({ file, name })))(
    'names a test that is there: $file, $name',
    ({ file, name }) => {
      expect(read(file)).toContain(`it('${name}'`)
    },
  )

  const faults = [...read('docs/reliability.md').matchAll(/^\| `([\w-]+)`/gm)].map(([, name = '']) => name)

  it('names faults that are there', () => {
    const files = readdirSync(new URL('../tests/faults', import.meta.url)).filter((file) => file.endsWith('.test.ts'))
    const tests = files.map((file) => read(`tests/faults/${file}`)).join('\n')
    expect(faults.length).toBeGreaterThan(1)
    expect(faults.filter((name) => !tests.includes(`'${name}'`))).toEqual([])
  })
})
