import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { metricsPage } from './metrics-page.ts'

/** Writes the pages of docs/ that are made from code. A test fails when one is out of date. */
const file = join(import.meta.dirname, '..', 'docs', 'metrics.md')
writeFileSync(file, metricsPage())
console.log(`Written: ${file}`)
