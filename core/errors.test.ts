import { describe, expect, it } from 'vitest'
import { AppError, ERROR_CODES, toAppError, toError } from './errors.ts'

describe('errors', () => {
  it('have a public title each, and a status that is an error', () => {
    for (const code of ERROR_CODES) {
      const { kind, message } = new AppError(code)
      expect(message).toBe(kind.title)
      expect(kind.http).toBeGreaterThanOrEqual(400)
    }
  })

  it('tell a caller to come back exactly where coming back helps', () => {
    for (const code of ERROR_CODES) {
      const { kind } = new AppError(code)
      const isPassing = kind.http === 503 || kind.http === 429
      if (isPassing) expect(kind.retry).not.toBe('never')
      if (!isPassing && kind.http < 500) expect(kind.retry).toBe('never')
    }
  })

  it('keep what they were caused by, out of sight of the caller', () => {
    const cause = new Error('password=hunter2')
    const error = toAppError(cause)
    expect(error.code).toBe('internal')
    expect(error.cause).toBe(cause)
    expect(error.message).not.toContain('hunter2')
  })

  it('pass through unchanged when they are ours already', () => {
    const error = new AppError('queue_full')
    expect(toAppError(error)).toBe(error)
  })

  it('can be made of anything that was thrown', () => {
    expect(toError('plain text').message).toBe('plain text')
    expect(toError(undefined).message).toBe('undefined')
  })
})
