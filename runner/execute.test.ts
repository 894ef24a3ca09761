import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AgentFrame, OutputFrame } from '../core/frames.ts'
import { FakeClock, settled } from '../tests/fakes/clock.ts'
import { anEnvelope, executionId } from '../tests/fakes/local.ts'
import { FakeSandbox, resultFrame } from '../tests/fakes/sandbox.ts'
import { type Execution, execute } from './execute.ts'

const ID = executionId(1)
const GRACE = 2_000

const output = (data: string, stream: OutputFrame['stream'] = 'stdout', id = ID): OutputFrame => ({
  type: 'output',
  id,
  stream,
  data,
  encoding: 'utf8',
})

/** One execution with a wall time of 1 s, and how it ended as data. */
function arrange(outputBytes = 1_000) {
  const clock = new FakeClock()
  const sandbox = new FakeSandbox()
  const envelope = anEnvelope(1)
  Object.assign(envelope.program.limits, { wallTimeMs: 1_000, outputBytes, memoryBytes: 64_000_000 })
  const ending: { execution?: Execution; trouble?: { code: string; cause: Error } } = {}
  const done = execute(envelope, sandbox, { clock, graceMs: GRACE }).then(
    (execution) => {
      ending.execution = execution
    },
    (error) => {
      ending.trouble = error
    },
  )
  return { clock, sandbox, envelope, ending, done }
}

describe('execute', () => {
  it('sends the whole program before it returns', () => {
    const { sandbox, envelope } = arrange()
    const { code, stdin, args, env, files, limits } = envelope.program
    expect(sandbox.sent).toEqual([{ type: 'execute', id: ID, code, stdin, args, env, files, limits }])
  })

  it('gives what the agent said', async () => {
    const { clock, sandbox, ending } = arrange()
    await clock.advance(3)
    sandbox.say(output('1\n'))
    sandbox.say(output('oops\n', 'stderr'))
    await clock.advance(4)
    sandbox.say(resultFrame(ID, { exitCode: 3 }))
    await settled()
    expect(ending.execution).toEqual({
      result: {
        status: 'failed',
        stdout: '1\n',
        stdoutEncoding: 'utf8',
        stderr: 'oops\n',
        stderrEncoding: 'utf8',
        exitCode: 3,
        signal: null,
        wallTimeMs: 12,
        cpuTimeMs: 10,
        memoryBytes: 9_000_000,
        truncated: false,
      },
      startedAt: clock.now() - 7,
      timings: { first_frame: 3, guest: 12, result: 7 },
    })
  })

  it('leaves no timer behind', async () => {
    const { clock, sandbox, done } = arrange()
    sandbox.say(resultFrame(ID))
    await done
    await settled()
    expect(clock.sleeping).toBe(0)
  })

  it('keeps the agent from having the last word on time', async () => {
    const { clock, sandbox, ending } = arrange()
    sandbox.say(output('begun'))
    await clock.advance(1_000 + GRACE - 1)
    expect(ending.execution).toBeUndefined()
    await clock.advance(1)
    expect(ending.execution?.result).toMatchObject({
      status: 'timed_out',
      stdout: 'begun',
      exitCode: null,
      signal: 'SIGKILL',
      wallTimeMs: 3_000,
      truncated: false,
    })
  })

  it.each([
    { heard: true, ending: { execution: { result: { status: 'timed_out' } } } },
    { heard: false, ending: { trouble: { code: 'sandbox_lost' } } },
  ])(
    'tells an agent that is late from one that can not be heard: heard $heard',
    async ({ heard, ending: expected }) => {
      const { clock, sandbox, ending } = arrange()
      sandbox.isHeard = async () => heard
      await clock.advance(1_000 + GRACE)
      await settled()
      expect(ending).toMatchObject(expected)
    },
  )

  it('takes the result that comes while it asks whether the agent is heard', async () => {
    const { clock, sandbox, ending } = arrange()
    sandbox.isHeard = () => new Promise(() => {})
    await clock.advance(1_000 + GRACE)
    sandbox.say(resultFrame(ID, { cause: 'wall_time' }))
    await settled()
    expect(ending.execution?.result).toMatchObject({ status: 'timed_out', wallTimeMs: 12 })
  })

  it('ends a flood, and keeps what the limit allows', async () => {
    const { sandbox, ending } = arrange(10)
    for (let chunk = 0; chunk < 9; chunk++) sandbox.say(output('x'.repeat(32 * 1024)))
    await settled()
    expect(ending.execution?.result).toMatchObject({ status: 'output_limit', stdout: 'x'.repeat(10), truncated: true })
  })

  it('marks output that an agent sent beyond the limit as cut, and changes nothing else', async () => {
    const { sandbox, ending } = arrange(10)
    sandbox.say(output('x'.repeat(11)))
    sandbox.say(resultFrame(ID))
    await settled()
    expect(ending.execution?.result).toMatchObject({ status: 'succeeded', stdout: 'x'.repeat(10), truncated: true })
  })

  it('knows a sandbox that the kernel ended for memory', async () => {
    const { sandbox, ending } = arrange()
    sandbox.end({ reason: 'out_of_memory' })
    await settled()
    const expected = { status: 'out_of_memory', exitCode: null, signal: 'SIGKILL', memoryBytes: 64_000_000 }
    expect(ending.execution?.result).toMatchObject(expected)
  })

  const TROUBLE: [string, (sandbox: FakeSandbox) => void, RegExp][] = [
    ['is lost', (sandbox) => sandbox.end({ reason: 'lost', detail: 'evicted' }), /evicted/],
    ['ends without a result', (sandbox) => sandbox.end({ reason: 'finished' }), /without a result/],
    ['speaks of another execution', (sandbox) => sandbox.say(output('', 'stdout', executionId(2))), /0002/],
    ['gives the result of another execution', (sandbox) => sandbox.say(resultFrame(executionId(2))), /0002/],
    ['says ready again', (sandbox) => sandbox.say(READY), /ready/],
    ['reports a fault', (sandbox) => sandbox.say({ type: 'fault', id: null, message: 'no fd left' }), /no fd left/],
  ]
  const READY: AgentFrame = { type: 'ready', protocol: 1, language: 'python', version: '3', slots: 1 }

  it.each(TROUBLE)('throws sandbox_lost when the sandbox %s', async (_, happen, why) => {
    const { sandbox, ending } = arrange()
    happen(sandbox)
    await settled()
    expect(ending.trouble?.code).toBe('sandbox_lost')
    expect(ending.trouble?.cause.message).toMatch(why)
  })
})

describe('a sandbox that can not be sent anything', () => {
  it('is lost', async () => {
    const sandbox = new FakeSandbox()
    sandbox.agent = () => {
      throw new Error('the stream is closed')
    }
    const done = execute(anEnvelope(1), sandbox, { clock: new FakeClock(), graceMs: GRACE })
    await expect(done).rejects.toMatchObject({ code: 'sandbox_lost', cause: new Error('the stream is closed') })
  })
})

describe('the first cause wins', () => {
  /** Everything that can end an execution, or pretend to. */
  const events = {
    exited: ({ sandbox }) => sandbox.say(resultFrame(ID)),
    failed: ({ sandbox }) => sandbox.say(resultFrame(ID, { exitCode: 1 })),
    killed: ({ sandbox }) => sandbox.say(resultFrame(ID, { cause: 'cancelled', exitCode: null, signal: 'SIGKILL' })),
    slow: ({ sandbox }) => sandbox.say(resultFrame(ID, { cause: 'wall_time', exitCode: null, signal: 'SIGKILL' })),
    flood: ({ sandbox }) => sandbox.say(output('x'.repeat(400_000))),
    stranger: ({ sandbox }) => sandbox.say(output('', 'stdout', executionId(2))),
    fault: ({ sandbox }) => sandbox.say({ type: 'fault', id: ID, message: 'broken' }),
    memory: ({ sandbox }) => sandbox.end({ reason: 'out_of_memory' }),
    lost: ({ sandbox }) => sandbox.end({ reason: 'lost', detail: 'evicted' }),
    finished: ({ sandbox }) => sandbox.end({ reason: 'finished' }),
    deadline: ({ clock }) => clock.advance(60_000),
  } satisfies Record<string, (world: ReturnType<typeof arrange>) => void | Promise<void>>
  type EventName = keyof typeof events
  const names = Object.keys(events) as EventName[]

  /** The ending when the first event is let through before the others, or all come at once. */
  async function endingOf(order: readonly EventName[], together: boolean) {
    const world = arrange()
    world.sandbox.say(output('before'))
    for (const name of order) {
      const happened = events[name](world)
      if (together) continue
      await happened
      await settled()
    }
    await world.done
    return { result: world.ending.execution?.result, code: world.ending.trouble?.code }
  }

  it('whatever comes later, in any order', async () => {
    const order = fc.shuffledSubarray(names, { minLength: 1 })
    await fc.assert(
      fc.asyncProperty(order, async (events) => {
        expect(await endingOf(events, false)).toEqual(await endingOf(events.slice(0, 1), false))
      }),
      { numRuns: 200 },
    )
  })

  it('also when frames come in one chunk', async () => {
    const frames: EventName[] = ['exited', 'failed', 'killed', 'slow', 'flood', 'stranger', 'fault']
    const order = fc.shuffledSubarray(frames, { minLength: 1 })
    await fc.assert(
      fc.asyncProperty(order, async (events) => {
        expect(await endingOf(events, true)).toEqual(await endingOf(events.slice(0, 1), true))
      }),
    )
  })
})
