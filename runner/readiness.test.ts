import { describe, expect, it } from 'vitest'
import { FakeClock } from '../tests/fakes/clock.ts'
import { MemoryLog } from '../tests/fakes/local.ts'
import { type Progress, readinessOf, waitForAccess } from './readiness.ts'

const languages = ['python', 'javascript']
const works: Progress = {
  refused: undefined,
  consumer: { connected: true },
  runner: { capacity: () => ({ held: undefined }) },
}
const heldFor = (wanted: string) => ({
  capacity: (language: string) => ({ held: language === wanted ? { reason: 'no nodes', until: 0 } : undefined }),
})

describe('readinessOf', () => {
  const draining = new AbortController().signal

  it.each<[string, Progress, RegExp | undefined]>([
    ['all is there', works, undefined],
    ['Kubernetes refuses something', { refused: 'may not patch jobs.batch' }, /may not patch/],
    ['nothing is connected yet', { refused: undefined }, /queue/],
    ['the queue is away', { ...works, consumer: { connected: false } }, /queue/],
    ['the second pool is held', { ...works, runner: heldFor('javascript') }, /javascript.*no nodes/],
  ])('when %s', (_, progress, reason) => {
    const { ok, reason: given } = readinessOf(progress, { languages, draining })
    expect(ok).toBe(reason === undefined)
    expect(given ?? '').toMatch(reason ?? /^$/)
  })

  it('is over when the runner drains', () => {
    const stopped = AbortSignal.abort()
    expect(readinessOf(works, { languages, draining: stopped })).toEqual({ ok: false, reason: 'shutting down' })
  })
})

describe('waitForAccess', () => {
  function arrange(answers: (string[] | Error)[]) {
    const clock = new FakeClock()
    const refusals: string[] = []
    const stop = new AbortController()
    const missing = async () => {
      const answer = answers.shift() ?? []
      if (answer instanceof Error) throw answer
      return answer
    }
    const onRefused = (reason: string) => void refusals.push(reason)
    const access = waitForAccess({ missing, onRefused, clock, log: new MemoryLog(), signal: stop.signal })
    return { clock, refusals, stop, access }
  }

  it('asks once when nothing is missing', async () => {
    const { access, refusals } = arrange([[]])
    await access
    expect(refusals).toEqual([])
  })

  it('asks again until nothing is missing, and says each time what is', async () => {
    const { clock, access, refusals } = arrange([new Error('refused'), ['may not a', 'may not b']])
    await clock.advance(6_000)
    await access
    expect(refusals).toEqual(['Kubernetes can not be reached: refused', 'may not a; may not b'])
  })

  it('ends when the runner is told to stop', async () => {
    const { clock, access, stop } = arrange([['may not a']])
    const ended = expect(access).rejects.toThrow('stop')
    await clock.advance(1_000)
    stop.abort(new Error('stop'))
    await ended
  })
})
