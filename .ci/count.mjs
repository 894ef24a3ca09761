// Adds up what vitest (JSON reports) and unittest (the log) ran, and prints `N passed, N failed` as the last line. A stage that failed without a failing test
// (a type error, a time-out) counts as one failure, so that nothing looks green that is not. Plain JavaScript for the Node that the machine has.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const [folder = '', failedStages = '0'] = process.argv.slice(2)

/** Test -> whether it passed. `npm test` runs the architecture test twice: once counts. */
const vitest = new Map()
for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
  for (const suite of JSON.parse(readFileSync(join(folder, file), 'utf8')).testResults) {
    // A file that can't be loaded, or whose set-up failed, has no tests to show for it.
    if (suite.status === 'failed' && !suite.assertionResults.some(({ status }) => status === 'failed'))
      vitest.set(suite.name, false)
    for (const { fullName, status } of suite.assertionResults) {
      if (status === 'passed' || status === 'failed') vitest.set(`${suite.name} ${fullName}`, status === 'passed')
    }
  }
}

const log = readFileSync(join(folder, 'log'), 'utf8')
const sum = (pattern) => [...log.matchAll(pattern)].reduce((total, [, number]) => total + Number(number), 0)
const ran = sum(/^Ran (\d+) tests? in /gm)
const broken = sum(/^FAILED \(.*?failures=(\d+)/gm) + sum(/^FAILED \(.*?errors=(\d+)/gm)
const skipped = sum(/^(?:OK|FAILED) \(.*?skipped=(\d+)/gm)

const results = [...vitest.values()]
const failed = results.filter((passed) => !passed).length + broken
const passed = results.filter((passed) => passed).length + ran - broken - skipped
const stages = Number(failedStages)
process.exitCode = failed > 0 || stages > 0 || passed === 0 ? 1 : 0
console.log(`${passed} passed, ${Math.max(failed, stages)} failed`)
