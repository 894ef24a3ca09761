import { describe, expect, it } from 'vitest'
import { AppError } from '../core/errors.ts'
import { FakeClock } from '../tests/fakes/clock.ts'
import { KubeError } from './kube-error.ts'
import type { PodState } from './pod-state.ts'
import type { PodStream } from './pod-stream.ts'
import { type AttachWait, startFailure, whenAttached } from './start.ts'

const STREAM = { here: true } as unknown as PodStream
const early = new KubeError(500, 'InternalError', 'container sandbox not found')

interface Script {
  /** What the pod looks like, by milliseconds since the Job was created. */
  pod?: [fromMs: number, state: Partial<PodState>][]
  connect?: (attempt: number, sinceMs: number) => PodStream | Error
  look?: Partial<PodState>
  events?: object | Error
  abortAtMs?: number
}

/** Plays a start on a clock of its own: every wait for a change moves it. */
async function play(script: Script) {
  const clock = new FakeClock()
  const stop = new AbortController()
  const tries: number[] = []
  const eventCalls: number[] = []
  const missed: number[] = []
  const current = () => script.pod?.findLast(([from]) => from <= clock.monotonic())?.[1]
  const wait: AttachWait = {
    http: {
      call: async <Answer>() => {
        eventCalls.push(clock.monotonic())
        if (script.events instanceof Error) throw script.events
        return (script.events ?? { items: null }) as Answer
      },
    },
    namespace: 'boxes',
    job: 'python-1',
    pod: {
      get state() {
        const state = current()
        return state && { name: 'python-1-pod', scheduled: false, running: false, ...state }
      },
      changed: async (milliseconds) => {
        const changes = script.pod?.map(([from]) => from - clock.monotonic()).filter((left) => left > 0) ?? []
        await clock.advance(Math.min(milliseconds, ...changes))
        if (clock.monotonic() >= (script.abortAtMs ?? 60_000)) stop.abort(new Error('too late'))
      },
      [Symbol.dispose]() {},
    },
    missed: () => missed.push(clock.monotonic()),
    look: async (name) => ({ name, scheduled: true, running: false, ...script.look }),
    connect: async () => {
      tries.push(clock.monotonic())
      const answer = script.connect?.(tries.length, clock.monotonic()) ?? STREAM
      if (answer instanceof Error) throw answer
      return answer
    },
    unschedulableGraceMs: 15_000,
    clock,
    signal: stop.signal,
  }
  const outcome = await whenAttached(wait).catch((error: unknown) => error as Error)
  return { outcome, tries, eventCalls, missed, elapsed: clock.monotonic() }
}

const bound: Partial<PodState> = { scheduled: true }
const over = (detail: string, unsure = false) => ({ ...bound, over: { outOfMemory: false, detail, unsure } })

describe('whenAttached', () => {
  it('tries before the status says that the container runs', async () => {
    const { outcome, tries } = await play({ pod: [[20, bound]], connect: (_, since) => (since < 600 ? early : STREAM) })
    expect(outcome).toBe(STREAM)
    expect(tries[0]).toBeGreaterThanOrEqual(300)
    expect(tries.at(-1)).toBeLessThan(650)
  })

  it('says that the pod is missed as long as nobody has seen it', async () => {
    const { missed, outcome } = await play({ pod: [[5_000, { ...bound, running: true }]] })
    expect(missed).toEqual([2_000, 4_000])
    expect(outcome).toBe(STREAM)
  })

  it('does not wait when the status is first', async () => {
    const { outcome, tries } = await play({ pod: [[0, { ...bound, running: true }]] })
    expect(outcome).toBe(STREAM)
    expect(tries).toEqual([0])
  })

  it('does not hammer a kubelet that pulls an image', async () => {
    const { tries } = await play({ pod: [[0, bound]], connect: () => early, abortAtMs: 60_000 })
    expect(tries.length).toBeGreaterThan(60)
    expect(tries.length).toBeLessThan(140)
  })

  it.each([400, 404, 500, 503, 429, 0])('takes %i for too early', async (status) => {
    const { outcome } = await play({
      pod: [[0, bound]],
      connect: (attempt) => (attempt < 3 ? new KubeError(status, '', 'not yet') : STREAM),
    })
    expect(outcome).toBe(STREAM)
  })

  it.each([401, 403])('takes %i for an answer', async (status) => {
    const { outcome, tries } = await play({ pod: [[0, bound]], connect: () => new KubeError(status, '', 'may not') })
    expect(outcome).toMatchObject({ code: 'sandbox_unavailable', message: 'Its pod cannot be attached to: may not' })
    expect(tries).toHaveLength(1)
  })

  it.each<[string, NonNullable<Script['pod']>, string]>([
    [
      'an image that is not there',
      [[0, { blocked: 'ErrImagePull: no such image' }]],
      'cannot start: ErrImagePull: no such image',
    ],
    ['a crash', [[0, over('exited with 3 (Error)')]], 'ended before it was ready: exited with 3 (Error)'],
  ])('gives up at once on %s', async (_, pod, message) => {
    const { outcome, elapsed } = await play({ pod })
    expect(outcome).toBeInstanceOf(AppError)
    expect(outcome).toMatchObject({ code: 'sandbox_unavailable', message: expect.stringContaining(message) })
    expect(elapsed).toBe(0)
  })

  it('looks again at a pod that left the watch, to say why', async () => {
    const look = over('OutOfcpu: Node does not have enough')
    const { outcome } = await play({ pod: [[0, over('gone', true)]], look })
    expect(outcome).toMatchObject({ message: expect.stringContaining('OutOfcpu') })
  })

  it('gives an unschedulable pod the time that an autoscaler needs to see it', async () => {
    const pod: NonNullable<Script['pod']> = [[0, { unschedulable: '0/3 nodes' }]]
    const { outcome, elapsed } = await play({ pod })
    expect(outcome).toMatchObject({ code: 'no_capacity', message: 'No node takes its pod: 0/3 nodes' })
    expect(elapsed).toBeGreaterThanOrEqual(15_000)
    const saved = await play({ pod: [...pod, [9000, { ...bound, running: true }]] })
    expect(saved.outcome).toBe(STREAM)
  })

  it('asks the events why there is no pod', async () => {
    const message = 'pods "x" is forbidden: exceeded quota'
    const { outcome, eventCalls } = await play({ events: { items: [{ reason: 'FailedCreate', message }] } })
    expect(outcome).toMatchObject({ code: 'no_capacity', message: `Its pod was refused: ${message}` })
    expect(eventCalls).toHaveLength(1)
  })

  it('tells a quota that is used up from a policy that will never allow it', async () => {
    const message = 'violates PodSecurity "restricted:latest"'
    const { outcome } = await play({ events: { items: [{ reason: 'FailedCreate', message }] } })
    expect(outcome).toMatchObject({ code: 'sandbox_unavailable' })
  })

  it.each([
    ['nothing to say', { items: [{ reason: 'SuccessfulCreate' }] }],
    ['not for us', new KubeError(403, 'Forbidden', 'may not list events')],
    ['not there', new KubeError(503, '', 'later')],
  ])('waits on when the events are %s', async (_, events) => {
    const { outcome } = await play({ events, pod: [[9000, { ...bound, running: true }]] })
    expect(outcome).toBe(STREAM)
  })

  it('ends with the signal', async () => {
    const { outcome } = await play({ abortAtMs: 3000 })
    expect(outcome).toMatchObject({ message: 'too late' })
  })
})

describe('startFailure', () => {
  const never = new AbortController().signal
  const past = AbortSignal.abort(new Error('over'))
  const facts = { signal: never, deadline: never, pod: undefined, deadlineMs: 1000 }
  const pod = (state: Partial<PodState>): PodState => ({ name: 'p', scheduled: false, running: false, ...state })

  it('keeps what says it already', () => {
    const error = new AppError('sandbox_unavailable', 'because')
    expect(startFailure(error, { ...facts, deadline: past })).toBe(error)
  })

  it.each<[PodState | undefined, string]>([
    [undefined, 'no pod yet'],
    [pod({}), 'not scheduled yet'],
    [pod({ unschedulable: '0/3 nodes' }), 'no node takes its pod: 0/3 nodes'],
    [pod({ scheduled: true }), 'does not run yet'],
    [pod({ scheduled: true, running: true }), 'its container runs'],
  ])('says how far it came', (state, words) => {
    const failure = startFailure(past.reason, { ...facts, deadline: past, pod: state })
    expect(failure.code).toBe('sandbox_unavailable')
    expect(failure.message).toMatch(/within 1000 ms/)
    expect(failure.message).toContain(words)
  })

  it('tells a refusal of the API in its words', () => {
    const cause = new KubeError(403, 'Forbidden', 'exceeded quota: count/jobs.batch')
    expect(startFailure(cause, facts)).toMatchObject({ message: expect.stringContaining('exceeded quota'), cause })
  })

  it('tells that nobody wanted it any more', () => {
    expect(startFailure(past.reason, { ...facts, signal: past }).message).toMatch(/given up/)
  })

  it('does not show what nobody expected', () => {
    const failure = startFailure(new TypeError('secret'), facts)
    expect(failure.message).not.toContain('secret')
    expect(failure.cause).toBeInstanceOf(TypeError)
  })
})
