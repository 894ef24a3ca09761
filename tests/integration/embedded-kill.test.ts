import { describe, expect, it } from 'vitest'
import { liveAndDie } from '../helpers/embedded-lives.ts'
import { STEPS } from '../helpers/embedded-steps.ts'

describe('a process that dies at every step of an execution, one life after the other', () => {
  it('leaves exactly one result of all that it accepted, and none that was read changes', {
    timeout: 240_000,
  }, async () => {
    const deaths = STEPS.map((step) => ({ step, count: 4 }))
    const lives = await liveAndDie({ deaths, scheduled: 8, seconds: 0.2, max: 4 })
    expect(lives).toMatchObject({ recorded: lives.accepted, changed: 0, lost: 0, left: 0, leftProcesses: 0 })
    // At the first of the steps nothing was out yet, and what had been accepted three times.
    expect(lives.accepted).toBeGreaterThanOrEqual(STEPS.length * 3)
    expect(Math.max(...lives.inFlight)).toBeGreaterThanOrEqual(4)
  })
})
