import { describe, expect, it } from 'vitest'
import { type Attack, chooseAttacks, faultsOf, readAttacks } from './attacks/attack.ts'
import { tableOf } from './attacks/table.ts'

const attacks = readAttacks()
const ids = (words: string[]) => chooseAttacks(attacks, words).map(({ id }) => id)

describe('the choice of attacks', () => {
  it('is all of them without a word', () => {
    expect(chooseAttacks(attacks, [])).toEqual(attacks)
    expect(attacks.length).toBeGreaterThanOrEqual(133)
  })

  it('widens with words of one kind and narrows with another', () => {
    const chosen = chooseAttacks(attacks, ['network', 'process', 'javascript'])
    expect(new Set(chosen.map(({ category }) => category))).toEqual(new Set(['network', 'process']))
    expect(new Set(chosen.map(({ language }) => language))).toEqual(new Set(['javascript']))
    expect(ids(['py-bpf', 'js-abort']).sort()).toEqual(['js-abort', 'py-bpf'])
    expect(ids(['tests/attacks/corpus.json'])).toHaveLength(133)
  })

  it('refuses a word that chooses nothing', () => {
    expect(() => ids(['py-bfp'])).toThrow('py-bfp')
    expect(() => ids(['py-bpf', 'javascript'])).toThrow('py-bpf javascript')
  })
})

describe('the judgement', () => {
  const expected: Pick<Attack, 'expect'> = {
    expect: {
      ...{ httpIn: [200], statusIn: ['succeeded'], stdoutIncludes: ['CONTAINED'], stdoutExcludes: ['ESCAPED'] },
      maxWallMs: 1000,
    },
  }
  const held = { http: 200, status: 'succeeded', stdout: 'CONTAINED\n', milliseconds: 1000 }

  it('has nothing to say when the barrier held', () => {
    expect(faultsOf(expected, held)).toEqual([])
  })

  it('never takes an escape for a matter of time', () => {
    const answer = { ...held, status: 'timed_out', stdout: 'ESCAPED, CONTAINED' }
    expect(faultsOf(expected, answer).map(({ kind }) => kind)).toEqual(['barrier', 'barrier'])
  })

  it.each([
    ['another status', { status: 'failed' }, 'barrier', 'status failed'],
    ['an answer that is none', { http: 503 }, 'barrier', 'HTTP 503'],
    ['words that are missing', { stdout: '' }, 'barrier', 'lacks "CONTAINED"'],
    ['words that must not be there', { stdout: 'CONTAINED ESCAPED by x' }, 'barrier', 'ESCAPED by x'],
    ['time', { milliseconds: 1001 }, 'time', 'took 1001 ms'],
    ['a time limit that a busy machine reached', { status: 'timed_out' }, 'time', 'status timed_out'],
  ])('names %s', (_, change, kind, text) => {
    expect(faultsOf(expected, { ...held, ...change })).toEqual([{ kind, text }])
  })
})

it('makes a table of what became of them', () => {
  const outcome = { id: 'py-bpf', faults: [], statuses: 'succeeded', milliseconds: 12 }
  const faults = [{ kind: 'barrier' as const, text: 'ESCAPED a | b' }]
  const page = tableOf(chooseAttacks(attacks, ['py-bpf']), [
    { deployment: 'embedded', seconds: 3.2, outcomes: [outcome] },
    { deployment: 'nested', seconds: 4, outcomes: [{ ...outcome, faults }] },
    { deployment: 'cluster', seconds: 0, outcomes: [] },
  ])
  expect(page).toContain('- embedded: 1 of 1 contained, all of them in 3 s.\n- nested: 0 of 1')
  expect(page).toContain(
    '| py-bpf | bpf: map and socket-filter program | succeeded, 12 ms | **ESCAPED a \\| b**, 12 ms |  |',
  )
})
