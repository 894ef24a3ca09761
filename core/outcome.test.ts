import { describe, expect, it } from 'vitest'
import { type Cause, statusOf } from './outcome.ts'

describe('the status of an execution', () => {
  it.each<[Cause, number | null, string | null, string]>([
    ['exited', 0, null, 'succeeded'],
    ['exited', 1, null, 'failed'],
    ['exited', 124, null, 'failed'],
    ['exited', 137, null, 'failed'],
    ['exited', null, 'SIGKILL', 'failed'],
    ['exited', null, 'SIGSEGV', 'failed'],
    ['wall_time', null, 'SIGKILL', 'timed_out'],
    ['cpu_time', null, 'SIGXCPU', 'timed_out'],
    ['deadline', null, null, 'timed_out'],
    ['memory', null, 'SIGKILL', 'out_of_memory'],
    ['sandbox_out_of_memory', null, null, 'out_of_memory'],
    ['output', null, 'SIGKILL', 'output_limit'],
    ['flood', null, null, 'output_limit'],
    ['cancelled', null, 'SIGKILL', 'killed'],
  ])('%s with exit code %s and signal %s is %4$s', (cause, exitCode, signal, status) => {
    expect(statusOf({ cause, exitCode, signal })).toBe(status)
  })

  it('is decided by the cause alone unless the program simply ended: a limit is not undone by an exit code 0', () => {
    expect(statusOf({ cause: 'wall_time', exitCode: 0, signal: null })).toBe('timed_out')
  })
})
