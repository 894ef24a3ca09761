import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chooseAttacks, readAttacks } from './attack.ts'
import { type Siege, tableOf } from './table.ts'

/**
 * `npm run test:attacks -- WORD...`: all programs of this folder against the embedded mode and against both tiers on the cluster in KUBECONFIG. A word
 * chooses by file (`more.json`), id, category or language; `embedded`, `cluster` (a Job for each execution) or `nested` choose deployments;
 * `table=FILE` writes what became of each attack, and how long it took, as Markdown.
 */
const DEPLOYMENTS = ['embedded', 'cluster', 'nested']
const ON_A_CLUSTER = ['cluster', 'nested']
const TABLE = 'table='

function main(arguments_: readonly string[]): void {
  const words = arguments_.filter((word) => !DEPLOYMENTS.includes(word) && !word.startsWith(TABLE))
  const table = arguments_.find((word) => word.startsWith(TABLE))?.slice(TABLE.length)
  const asked = DEPLOYMENTS.filter((word) => arguments_.includes(word))
  try {
    say(`${chooseAttacks(readAttacks(), words).length} attacks are chosen.`)
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error))
  }
  const needed = asked.some((word) => ON_A_CLUSTER.includes(word))
  const missing = needed || asked.length === 0 ? clusterFault() : undefined
  if (missing && needed) return fail(missing)
  const chosen = asked.length > 0 ? asked : missing ? ['embedded'] : DEPLOYMENTS
  attack(chosen, words, (outcomes) => {
    if (table) writeFileSync(table, tableOf(chooseAttacks(readAttacks(), words), readSieges(outcomes, chosen)))
    if (missing) say(`${missing} Only the embedded mode was attacked.`)
  })
}

/** Runs the tests of the deployments; `then` is called with the folder of what became of them. */
function attack(deployments: readonly string[], words: readonly string[], then: (outcomes: string) => void): void {
  const outcomes = mkdtempSync(join(tmpdir(), 'runlet-attacks-'))
  const files = deployments.map((name) => `tests/attacks/${name}.test.ts`)
  const vitest = join(import.meta.dirname, '..', '..', 'node_modules', 'vitest', 'vitest.mjs')
  const child = spawn(process.execPath, [vitest, 'run', '--project', 'attacks', ...files], {
    stdio: 'inherit',
    env: { ...process.env, ATTACKS: words.join(' '), ATTACK_OUTCOMES: outcomes },
  })
  child.once('close', (code) => {
    then(outcomes)
    rmSync(outcomes, { recursive: true })
    process.exitCode = code ?? 1
  })
}

function readSieges(folder: string, deployments: readonly string[]): Siege[] {
  const paths = deployments.map((name) => join(folder, `${name}.json`)).filter((path) => existsSync(path))
  return paths.map((path) => JSON.parse(readFileSync(path, 'utf8')) as Siege)
}

/** Why there is no cluster to attack, in a sentence. */
function clusterFault(): string | undefined {
  const { status, error, stderr } = spawnSync('kubectl', ['version', '--request-timeout=10s'], { encoding: 'utf8' })
  if (error) return 'There is no cluster to attack: kubectl is not on the PATH.'
  if (status === 0) return undefined
  const where = process.env.KUBECONFIG ? `the one in KUBECONFIG=${process.env.KUBECONFIG}` : 'KUBECONFIG is not set, and the default one'
  return `There is no cluster to attack: ${where} does not answer (${stderr.trim().split('\n').at(-1)}).`
}

function say(sentence: string): void {
  process.stderr.write(`${sentence}\n`)
}

function fail(sentence: string): void {
  say(sentence)
  process.exitCode = 1
}

main(process.argv.slice(2))
