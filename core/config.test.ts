import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ConfigError, flag, integer, json, port, readConfig } from './config.ts'

const Schema = z.object({
  PORT: port().default(8080),
  WARM: integer(0, 100),
  TIMINGS: flag().default(false),
  LIMITS: json(z.strictObject({ wall: z.number() })).default({ wall: 1 }),
  ID_KEY: z.string().min(16),
})

const good = { WARM: '3', ID_KEY: 'a key that is long enough' }

const messageOf = (environment: Record<string, string>) => {
  try {
    readConfig(Schema, environment)
  } catch (error) {
    return error instanceof ConfigError ? error.message : 'another error'
  }
  return 'no error'
}

describe('the configuration', () => {
  it('comes from the environment, with the defaults of the schema', () => {
    expect(readConfig(Schema, { ...good, TIMINGS: 'true', LIMITS: '{"wall":2}', HOME: '/root' })).toEqual({
      PORT: 8080,
      WARM: 3,
      TIMINGS: true,
      LIMITS: { wall: 2 },
      ID_KEY: 'a key that is long enough',
    })
  })

  it('takes an empty variable for one that is not set', () => {
    expect(readConfig(Schema, { ...good, PORT: '' }).PORT).toBe(8080)
  })

  it('names every mistake at once', () => {
    const message = messageOf({ PORT: 'eighty', WARM: '101', TIMINGS: 'yes', LIMITS: '{', ID_KEY: 'short' })
    for (const name of ['PORT', 'WARM', 'TIMINGS', 'LIMITS', 'ID_KEY']) expect(message).toContain(`${name}: `)
  })

  it.each(['1500.9', '1e3', ' 5', '0x10', '--1', 'NaN'])('never makes a number out of %j', (text) => {
    expect(messageOf({ ...good, WARM: text })).toContain('WARM: must be a whole number')
  })

  it('says which variables are missing', () => {
    expect(messageOf({ WARM: '1' })).toMatch(/ID_KEY: .*not set/)
  })

  it('shows a wrong value, but never a secret', () => {
    expect(messageOf({ ...good, WARM: '-5' })).toContain('is "-5"')
    expect(messageOf({ ...good, ID_KEY: 'hunter2' })).not.toContain('hunter2')
  })

  it('refuses JSON with a key that it does not know', () => {
    expect(messageOf({ ...good, LIMITS: '{"wall":1,"wal":2}' })).toContain('LIMITS')
  })
})
