import { expect, it } from 'vitest'
import { type Death, liveAndDie } from '../helpers/embedded-lives.ts'
import { STEPS } from '../helpers/embedded-steps.ts'
import { SHORT } from './helpers/fault.ts'
import { report } from './helpers/report.ts'

const SCHEDULED = SHORT ? 16 : 60
const MAX = SHORT ? 4 : 12
const IN_FLIGHT = SHORT ? 4 : 10
const MOMENTS = SHORT ? 4 : 20
/** What it takes until all that was scheduled in one life has run, about. */
const LIFE_MS = 3_000

/** The embedded mode, killed again and again on the same data folder. */
async function embeddedFault(fault: string, deaths: readonly Death[]): Promise<void> {
  const lives = await liveAndDie({ deaths, scheduled: SCHEDULED, seconds: 0.5, max: MAX })
  const { accepted, recorded, changed, lost, refused, left, leftProcesses, inFlight, normalAfterMs } = lives
  report({
    ...{ fault, where: 'embedded', accepted, recorded, doubled: changed, lost, refused },
    inFlight: Math.max(...inFlight),
    longestRunMs: Math.round(lives.longestRunMs),
    normalAfterMs: Math.max(...normalAfterMs),
    doneAfterMs: Math.round(lives.doneAfterMs),
  })
  const nothing = { changed: 0, lost: 0, left: 0, leftProcesses: 0 }
  expect({ recorded, changed, lost, left, leftProcesses }).toEqual({ recorded: accepted, ...nothing })
  expect(Math.max(...inFlight)).toBeGreaterThanOrEqual(IN_FLIGHT)
}

it('embedded-killed-at-every-step', () =>
  embeddedFault(
    'embedded-killed-at-every-step',
    STEPS.map((step) => ({ step, count: IN_FLIGHT })),
  ))

it('embedded-killed-at-random', () => {
  // A sequence of its own, the same each time: what was found once is found again.
  let seed = 20_261_124
  const random = () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    return seed / 2 ** 32
  }
  const deaths = Array.from({ length: MOMENTS }, () => ({ afterMs: Math.round(random() * LIFE_MS) }))
  return embeddedFault('embedded-killed-at-random', deaths)
})
