import { describe, expect, it } from 'vitest'
import { anEnvelope, aRecord } from '../tests/fakes/local.ts'
import { ENVELOPE_VERSION, RECORD_VERSION, readEnvelope, readRecord } from './versions.ts'

describe('what another Runlet wrote', () => {
  it('is read when its version is ours', () => {
    expect(readEnvelope(anEnvelope(1))).toEqual({ value: anEnvelope(1) })
    expect(readRecord(aRecord(1))).toEqual({ value: aRecord(1) })
  })

  it('is read when it holds more than we know', () => {
    expect(readEnvelope({ ...anEnvelope(1), more: true })).toEqual({ value: anEnvelope(1) })
  })

  it('is newer when it says so, whatever else is in it', () => {
    expect(readEnvelope({ version: ENVELOPE_VERSION + 1 })).toEqual({ newer: ENVELOPE_VERSION + 1 })
    expect(readRecord({ ...aRecord(1), version: RECORD_VERSION + 7 })).toEqual({ newer: RECORD_VERSION + 7 })
  })

  it.each([[null], [[]], [{}], [{ version: '2' }], [{ version: 1.5 }], [{ version: 0 }], [{ version: 1, id: 'x' }]])(
    'is a fault when it is %j',
    (json) => {
      expect(readEnvelope(json)).toHaveProperty('fault')
      expect(readRecord(json)).toHaveProperty('fault')
    },
  )
})
