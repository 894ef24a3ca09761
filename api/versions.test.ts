import { describe, expect, it } from 'vitest'
import { FakeLog } from '../tests/fakes/api.ts'
import { rememberVersions } from './versions.ts'

function lookingAt(found: Record<string, string | undefined>) {
  const state = { now: 0, looks: 0, failure: undefined as Error | undefined, found, log: new FakeLog() }
  const versions = rememberVersions({
    languages: ['python', 'javascript'],
    clock: { monotonic: () => state.now },
    log: state.log,
    look: async (language) => {
      state.looks++
      if (state.failure) throw state.failure
      return state.found[language]
    },
  })
  return { state, versions }
}

describe('rememberVersions', () => {
  it('looks once a minute when all are known', async () => {
    const { state, versions } = lookingAt({ python: '3.13.5', javascript: '24.1.0' })
    expect(await versions()).toEqual({ python: '3.13.5', javascript: '24.1.0' })
    state.now = 59_999
    await versions()
    expect(state.looks).toBe(2)
    state.now = 60_000
    state.found.python = '3.14.0'
    expect(await versions()).toMatchObject({ python: '3.14.0' })
  })

  it('looks again soon while one is missing', async () => {
    const { state, versions } = lookingAt({ python: '3.13.5' })
    expect(await versions()).toEqual({ python: '3.13.5' })
    state.now = 5_000
    state.found.javascript = '24.1.0'
    expect(await versions()).toEqual({ python: '3.13.5', javascript: '24.1.0' })
  })

  it('keeps what it saw when sandboxes are gone or can not be looked at', async () => {
    const { state, versions } = lookingAt({ python: '3.13.5', javascript: '24.1.0' })
    await versions()
    state.now = 60_000
    state.found = {}
    expect(await versions()).toMatchObject({ python: '3.13.5' })
    state.now = 120_000
    state.failure = new Error('down')
    expect(await versions()).toMatchObject({ python: '3.13.5' })
    expect(state.log.lines).toMatchObject([['warn', { error: state.failure }, expect.any(String)]])
  })

  it('looks once for all who ask at the same time', async () => {
    const { state, versions } = lookingAt({})
    await Promise.all([versions(), versions(), versions()])
    expect(state.looks).toBe(2)
  })
})
