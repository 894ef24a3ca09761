import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { metricsPage } from '../scripts/metrics-page.ts'

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

/** The tests that a page names, as `file` "name". */
const testsNamedIn = (page: string) =>
  [...page.matchAll(/`([\w./-]+)` "([^"]+)"/g)].map(([, file = '', name = '']) => ({ file, name }))

describe('docs/metrics.md', () => {
  it('says what core/metrics.ts says: npm run docs', () => {
    expect(read('docs/metrics.md')).toBe(metricsPage())
  })
})

describe('docs/reliability.md', () => {
  const page = read('docs/reliability.md')
  const rows = testsNamedIn(page)

  it('names a test for each word of its promise', () => {
    expect(rows.length).toBeGreaterThan(10)
  })

  it.each(rows)('names a test that is there: $file, $name', ({ file, name }) => {
    expect(read(file)).toContain(`it('${name}'`)
  })

  const faults = [...page.matchAll(/^\| `([\w-]+)`/gm)].map(([, name = '']) => name)

  it('names faults that are there', () => {
    const files = readdirSync(new URL('../tests/faults', import.meta.url)).filter((file) => file.endsWith('.test.ts'))
    const tests = files.map((file) => read(`tests/faults/${file}`)).join('\n')
    expect(faults.length).toBeGreaterThan(1)
    expect(faults.filter((name) => !tests.includes(`'${name}'`))).toEqual([])
  })
})

describe('docs/security.md', () => {
  const page = read('docs/security.md')
  const [, rest = ''] = page.split('## Barriers')
  const [barriers = ''] = rest.split('\n## ')
  const rows = barriers.split('\n').filter((line) => /^\| (?!barrier)/.test(line))

  it('names a test for each barrier', () => {
    expect(rows.length).toBeGreaterThan(20)
    expect(rows.filter((line) => testsNamedIn(line).length === 0)).toEqual([])
  })

  it.each(testsNamedIn(page))('names a test that is there: $file, $name', ({ file, name }) => {
    expect(read(file)).toContain(name)
  })

  it('counts the attacks', () => {
    const attacks = ['corpus', 'more'].flatMap((name) => JSON.parse(read(`tests/attacks/${name}.json`)) as unknown[])
    expect(page).toContain(`\`tests/attacks\` (${attacks.length} of them`)
  })
})
