import { beforeAll, describe, expect, it } from 'vitest'
import { chooseAttacks, readAttacks } from './attack.ts'
import { besiege, type Outcome, type Target } from './siege.ts'

/** Words of the command line that choose attacks: see main.ts. */
const WORDS = (process.env.ATTACKS ?? '').split(' ').filter(Boolean)

/** Tests of one deployment, one for each chosen attack; all attacks run before the first of them. */
export function describeAttacks(name: string, target: () => Target): void {
  const attacks = chooseAttacks(readAttacks(), WORDS)
  let outcomes = new Map<string, Outcome>()

  beforeAll(async () => {
    const began = performance.now()
    outcomes = await besiege(target(), attacks, (outcome) => process.stderr.write(`${lineOf(name, outcome)}\n`))
    process.stderr.write(`${summary(name, [...outcomes.values()], performance.now() - began)}\n`)
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

function summary(name: string, outcomes: readonly Outcome[], milliseconds: number): string {
  const contained = outcomes.filter(({ faults }) => faults.length === 0).length
  const slowest = outcomes.toSorted((one, other) => other.milliseconds - one.milliseconds).slice(0, 5)
  return [
    `${name}: ${contained} of ${outcomes.length} attacks contained in ${Math.round(milliseconds / 1000)} s; the slowest:`,
    ...slowest.map((outcome) => lineOf(name, outcome)),
  ].join('\n')
}
