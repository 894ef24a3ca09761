import { describe, expect, it } from 'vitest'
import { programDigest } from './digest.ts'
import type { Program } from './execution.ts'
import { LimitSettings, resolveLimits } from './limits.ts'

const program: Program = {
  language: 'python',
  code: 'print(1)',
  stdin: '',
  args: [],
  env: { A: '1', B: '2' },
  files: [],
  limits: resolveLimits(LimitSettings.parse({})),
}

describe('the digest of a program', () => {
  it('is SHA-256 in hex', () => {
    expect(programDigest(program)).toMatch(/^[0-9a-f]{64}$/)
  })

  it('does not depend on the order in which variables were given', () => {
    expect(programDigest({ ...program, env: { B: '2', A: '1' } })).toBe(programDigest(program))
  })

  it.each<Partial<Program>>([
    { language: 'javascript' },
    { code: 'print(2)' },
    { stdin: 'x' },
    { args: ['x'] },
    { env: { A: '1' } },
    { files: [{ name: 'a', content: '', encoding: 'utf8' }] },
    { limits: { ...program.limits, wallTimeMs: 1 } },
  ])('changes with everything that decides what the program does: %j', (change) => {
    expect(programDigest({ ...program, ...change })).not.toBe(programDigest(program))
  })
})
