import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { chooseAttacks, readAttacks } from './attack.ts'

/**
 * `npm run test:attacks -- WORD...`: all programs of this folder against the embedded mode and against the cluster in KUBECONFIG. A word chooses by file
 * (`more.json`), id, category or language; `embedded` or `cluster` chooses one deployment.
 */
const DEPLOYMENTS = ['embedded', 'cluster']

function main(arguments_: readonly string[]): void {
  const words = arguments_.filter((word) => !DEPLOYMENTS.includes(word))
  const asked = DEPLOYMENTS.filter((word) => arguments_.includes(word))
  try {
    say(`${chooseAttacks(readAttacks(), words).length} attacks are chosen.`)
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error))
  }
  const missing = asked.includes('cluster') || asked.length === 0 ? clusterFault() : undefined
  if (missing && asked.includes('cluster')) return fail(missing)
  const chosen = asked.length > 0 ? asked : missing ? ['embedded'] : DEPLOYMENTS
  const files = chosen.map((name) => `tests/attacks/${name}.test.ts`)
  const vitest = join(import.meta.dirname, '..', '..', 'node_modules', 'vitest', 'vitest.mjs')
  const child = spawn(process.execPath, [vitest, 'run', '--project', 'attacks', ...files], {
    stdio: 'inherit',
    env: { ...process.env, ATTACKS: words.join(' ') },
  })
  child.once('close', (code) => {
    if (missing) say(`${missing} Only the embedded mode was attacked.`)
    process.exitCode = code ?? 1
  })
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
