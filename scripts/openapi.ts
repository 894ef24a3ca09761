import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { defaultOpenApi } from '../api/default-openapi.ts'

/** Writes openapi.json, so that a change of the API can be seen in review. A test fails when it is out of date. */
const file = join(import.meta.dirname, '..', 'openapi.json')
writeFileSync(file, defaultOpenApi())
console.log(`Written: ${file}`)
