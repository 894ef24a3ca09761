import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { chooseAttacks, readAttacks } from './attack.ts'
import { besiege, type Outcome, type Target } from './siege.ts'
import type { Siege } from './table.ts'

/** Words of the command line that choose attacks: see main.ts. */
const WORDS = (process.env.ATTACKS ?? '').split(' ').filter(Boolean)
/** Where main.ts looks for what became of the attacks, to make a table of it. */
const OUTCOMES = process.env.ATTACK_OUTCOMES

/** Tests of one deployment, one for each chosen attack; all attacks run before the first of them. */
export function describeAttacks(name: string, target: () => Target): void {
  const attacks = chooseAttacks(readAttacks(), WORDS)
  let outcomes = new Map<string, Outcome>()

  beforeAll(async () => {
    const began = performance.now()
    outcomes = await besiege(target(), attacks, (outcome) => process.stderr.write(`${lineOf(name, outcome)}\n`))
    const siege = { deployment: name, seconds: (performance.now() - began) / 1000, outcomes: [...outcomes.values()] }
    if (OUTCOMES) writeFileSync(join(OUTCOMES, `${name}.json`), JSON.stringify(siege))
    process.stderr.write(`${summary(siege)}\n`)
  })

  describe(name, () => {
    it.for(attacks)('contains $id', ({ id }) => {
      expect(outcomes.get(id)?.faults.map(({ text }) => text)).toEqual([])
    })
  })
}

function lineOf(name: string, { id, faults, statuses, milliseconds }: Outcome): string {
  const verdict = faults.length === 0 ? 'contained' : 'FAILED   '
  const why = faults.map(({ text }) => ` ${text}`).join(';')
  return `${name.padEnd(8)} ${verdict} ${id.padEnd(36)} ${String(milliseconds).padStart(6)} ms  ${statuses}${why}`
}

function summary({ deployment, seconds, outcomes }: Siege): string {
  const contained = outcomes.filter(({ faults }) => faults.length === 0).length
  const slowest = outcomes.toSorted((one, other) => other.milliseconds - one.milliseconds).slice(0, 5)
  return [
    `${deployment}: ${contained} of ${outcomes.length} attacks contained in ${Math.round(seconds)} s; the slowest:`,
    ...slowest.map((outcome) => lineOf(deployment, outcome)),
  ].join('\n')
}
