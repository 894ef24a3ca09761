import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { labelValue } from './labels.ts'

describe('labelValue', () => {
  it('is always a value that the API takes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (text) => {
        expect(labelValue(text)).toMatch(/^$|^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/)
      }),
    )
  })

  it('keeps what is fine, and of what is too long the end', () => {
    expect(labelValue('runlet-runner-7d9f.x2')).toBe('runlet-runner-7d9f.x2')
    expect(labelValue(`${'a'.repeat(80)}-x7k2`)).toHaveLength(63)
    expect(labelValue(`${'a'.repeat(80)}-x7k2`)).toMatch(/-x7k2$/)
  })
})
