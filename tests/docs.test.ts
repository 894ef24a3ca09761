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

describe('docs/security.md', () => {
  const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
  const page = read('docs/security.md')
  const [, barriers = ''] = page.split('## Barriers')
  const rows = barriers.split('\n').filter((line) => /^\| (?!barrier|-)/.test(line))

  it('names a test for each barrier', () => {
    const [table = []] = [rows.filter((line) => line.split('|').length === 5)]
    expect(table.length).toBeGreaterThan(20)
    expect(table.filter((line) => !/`[^`]+` "[^"]+"/.test(line))).toEqual([])
  })

  it.each([...page.matchAll(/`([\w./-]+)` "([^"]+)"/g)].map(([, file = '', name = '']) => ({ file, name })))(
    'names a test that is there: $file, $name',
    ({ file, name }) => expect(read(file)).toContain(name),
  )

  it('counts the attacks', () => {
    const attacks = ['corpus', 'more'].flatMap((name) => JSON.parse(read(`tests/attacks/${name}.json`)) as unknown[])
    expect(page).toContain(`\`tests/attacks\` (${attacks.length} of them`)
  })
})
