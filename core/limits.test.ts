import { describe, expect, it } from 'vitest'
import { LimitSettings, REQUESTABLE_LIMITS, resolveLimits } from './limits.ts'

const defaults = LimitSettings.parse({})

describe('limits', () => {
  it('have a default and a maximum each when the operator says nothing', () => {
    expect(resolveLimits(defaults)).toEqual({
      wallTimeMs: 10_000,
      cpuTimeMs: 10_000,
      memoryBytes: 134_217_728,
      outputBytes: 65_536,
      processes: 64,
      openFiles: 256,
      fileSizeBytes: 67_108_864,
    })
    for (const { default: normal, maximum } of Object.values(defaults)) expect(maximum).toBeGreaterThanOrEqual(normal)
  })

  it('are what the request asks for, and the default for the rest', () => {
    expect(resolveLimits(defaults, { wallTimeMs: 250, processes: undefined })).toMatchObject({
      wallTimeMs: 250,
      processes: 64,
    })
  })

  it('can be changed one by one by the operator', () => {
    const settings = LimitSettings.parse({
      wallTimeMs: { default: 2000, maximum: 5000 },
      memoryBytes: { maximum: 268_435_456 },
    })
    expect(resolveLimits(settings)).toMatchObject({ wallTimeMs: 2000, cpuTimeMs: 10_000, memoryBytes: 134_217_728 })
  })

  it.each([
    { wallTimeMs: { default: 70_000, maximum: 60_000 } },
    { wallTimeMs: { default: 70_000 } },
    { wallTime: { default: 1 } },
    { memoryBytes: { default: 1 } },
    { processes: { default: 1.5 } },
  ])('refuse settings that make no sense: %j', (settings) => {
    expect(LimitSettings.safeParse(settings).success).toBe(false)
  })

  it('that a request may ask for are all limits of an execution', () => {
    expect(Object.keys(defaults)).toEqual(expect.arrayContaining([...REQUESTABLE_LIMITS]))
  })
})
