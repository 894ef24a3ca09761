import { describe, expect, it } from 'vitest'
import { AppError } from '../core/errors.ts'
import type { AgentFrame, RunnerFrame } from '../core/frames.ts'
import type { Sandbox, SandboxEnd } from '../core/ports.ts'
import { FakeClock, settled } from '../tests/fakes/clock.ts'
import { silentLog as log } from '../tests/fakes/local.ts'
import { resultFrame } from '../tests/fakes/sandbox.ts'
import type { AttachedJob } from './agent-jobs.ts'
import { HeldJob } from './held-job.ts'
import { LanguageHosts } from './language-hosts.ts'

const SLOTS = 2
const limits = {
  ...{ wallTimeMs: 1, cpuTimeMs: 1, memoryBytes: 1, outputBytes: 1, processes: 1, openFiles: 1, fileSizeBytes: 1 },
}
const never = new AbortController().signal

/** A Job with an agent that does what it is told to. */
class FakeJob {
  readonly sent: RunnerFrame[] = []
  readonly stories: string[] = []
  readonly job: HeldJob
  released = 0
  verdict: SandboxEnd = { reason: 'lost', detail: 'its stream broke' }
  readonly #ended = Promise.withResolvers<{ reason: string; ours: boolean }>()
  readonly #routes = new Map<string, (frame: AgentFrame) => void>()

  constructor(name: string) {
    this.job = new HeldJob(name, true)
    this.job.tell = ({ reason }) => void this.stories.push(reason)
  }

  /** What the provider would have of it. Only what a host uses of a stream is there. */
  get attached(): AttachedJob {
    const stream = {
      ended: this.#ended.promise,
      route: (id: string, _bytes: number, listener: (frame: AgentFrame) => void) => void this.#routes.set(id, listener),
      send: (frame: RunnerFrame) => void this.sent.push(frame),
      isHeard: async () => true,
      close: () => this.#ended.resolve({ reason: 'closed by us', ours: true }),
    }
    return {
      job: this.job,
      ready: { type: 'ready', protocol: 1, language: 'python', version: '3.13.5', slots: SLOTS },
      stream: stream as unknown as AttachedJob['stream'],
      examine: async () => this.verdict,
      release: async () => void this.released++,
    }
  }

  say(frame: AgentFrame): void {
    if ('id' in frame && frame.id !== null) this.#routes.get(frame.id)?.(frame)
  }

  break(): void {
    this.#ended.resolve({ reason: 'broken', ours: false })
  }
}

function world(wanted: Partial<{ executionsPerJob: number; maxAgeMs: number }> = {}) {
  const clock = new FakeClock()
  const jobs: FakeJob[] = []
  let failure: Error | undefined
  const startJob = async () => {
    if (failure) throw failure
    const job = new FakeJob(`python-${jobs.length + 1}`)
    jobs.push(job)
    return job.attached
  }
  const sizes = { slots: SLOTS, executionsPerJob: 1000, maxAgeMs: 900_000, ...wanted }
  const hosts = new LanguageHosts({ language: 'python', startJob, wanted: sizes, clock, log })
  const begin = (sandbox: Sandbox, id: string) =>
    sandbox.send({ type: 'execute', id, code: '', stdin: '', args: [], env: {}, files: [], limits })
  /** Runs one execution to its end and frees its slot. */
  const run = async (id: string) => {
    const sandbox = await hosts.start(never)
    begin(sandbox, id)
    const [name] = sandbox.name.split('/')
    jobs.find(({ job }) => job.name === name)?.say(resultFrame(id))
    await sandbox.destroy()
    return name
  }
  const fail = (error: Error | undefined) => {
    failure = error
  }
  return { clock, jobs, hosts, begin, run, fail }
}

describe('the Jobs of a language', () => {
  it('give a slot at once where there is one, and start a Job for who finds none', async () => {
    const { hosts, jobs } = world()
    const slots = await Promise.all([1, 2, 3].map(() => hosts.start(never)))
    expect(jobs).toHaveLength(2)
    expect(new Set(slots.map(({ name }) => name)).size).toBe(3)
    expect(hosts.version).toBe('3.13.5')
  })

  it('are chosen when the execution comes, the emptiest first', async () => {
    const { hosts, begin } = world()
    const [first, second, third] = await Promise.all([1, 2, 3].map(() => hosts.start(never)))
    for (const [index, slot] of [first, second, third].entries()) if (slot) begin(slot, `e${index}`)
    const names = [first, second].map((slot) => slot?.name.split('/')[0])
    expect(new Set(names)).toEqual(new Set(['python-1', 'python-2']))
  })

  it('never run the same execution twice side by side: frames are told apart by its id', async () => {
    const { hosts, begin } = world()
    const [one, other] = await Promise.all([hosts.start(never), hosts.start(never)])
    if (!one || !other) throw new Error('There are two')
    begin(one, 'same')
    begin(other, 'same')
    expect(await other.ended).toEqual({ reason: 'lost', detail: expect.stringContaining('has room') })
  })

  it('are renewed by number: the successor is ready before the old one ends', async () => {
    const { jobs, run, clock } = world({ executionsPerJob: 3 })
    const names = []
    for (let count = 0; count < 5; count++) {
      names.push(await run(`e${count}`))
      await settled()
    }
    await clock.advance(2_000)
    expect(new Set(names).size).toBeGreaterThan(1)
    expect([jobs[0]?.released, jobs[0]?.stories]).toEqual([1, ['Retired']])
    expect(jobs.at(-1)?.released).toBe(0)
  })

  it('are renewed by age, also those that run something, which ends in peace', async () => {
    const { jobs, hosts, begin, clock } = world({ maxAgeMs: 10_000 })
    const long = await hosts.start(never)
    begin(long, 'long')
    await clock.advance(12_000)
    expect(jobs).toHaveLength(2)
    expect(jobs[0]?.released).toBe(0)
    jobs[0]?.say(resultFrame('long'))
    await long.destroy()
    await settled()
    expect(jobs[0]?.released).toBe(1)
  })

  it('that are lost lose what runs in them, and others take their place', async () => {
    const { jobs, hosts, begin, run } = world()
    const slot = await hosts.start(never)
    begin(slot, 'e1')
    jobs[0]?.break()
    expect(await slot.ended).toEqual({ reason: 'lost', detail: 'its stream broke' })
    await slot.destroy()
    expect(await run('e2')).toBe('python-2')
    expect(jobs[0]?.released).toBe(1)
  })

  it('that ran out of memory blame an execution only when it was alone', async () => {
    for (const [count, reason] of [
      [1, 'out_of_memory'],
      [2, 'lost'],
    ] as const) {
      const { jobs, hosts, begin } = world()
      const slots = await Promise.all(Array.from({ length: count }, () => hosts.start(never)))
      for (const [index, slot] of slots.entries()) begin(slot, `e${index}`)
      for (const job of jobs) job.verdict = { reason: 'out_of_memory' }
      for (const job of jobs) job.break()
      const ends = await Promise.all(slots.map(({ ended }) => ended))
      expect(new Set(ends.map((end) => end.reason))).toEqual(new Set([reason]))
    }
  })

  it('that reported a fault take no more, finish what they have, and are replaced at once', async () => {
    const { jobs, hosts, begin } = world()
    const [bad, good] = await Promise.all([hosts.start(never), hosts.start(never)])
    if (!bad || !good) throw new Error('There are two')
    begin(bad, 'bad')
    begin(good, 'good')
    jobs[0]?.say({ type: 'fault', id: 'bad', message: 'its sandbox does not end' })
    expect(jobs[0]?.stories).toEqual(['NotTrusted', 'Retired'])
    await bad.destroy()
    expect(jobs[0]?.released).toBe(0)
    jobs[0]?.say(resultFrame('good'))
    expect(await good.ended).toEqual({ reason: 'finished' })
    await good.destroy()
    await settled()
    expect(jobs[0]?.released).toBe(1)
    begin(await hosts.start(never), 'next')
    expect(jobs[1]?.sent).toMatchObject([{ id: 'next' }])
  })

  it('whose execution does not end when it is cancelled are not trusted any more', async () => {
    const { jobs, hosts, begin, clock } = world()
    const slot = await hosts.start(never)
    begin(slot, 'e1')
    const gone = slot.destroy()
    await clock.advance(5_000)
    await gone
    expect(jobs[0]?.sent.map(({ type }) => type)).toEqual(['execute', 'cancel'])
    expect(jobs[0]?.stories).toContain('NotTrusted')
    await settled()
    expect(jobs[0]?.released).toBe(1)
  })

  it('that can not be started are told to who waits, who may try again', async () => {
    const { hosts, fail } = world()
    fail(new AppError('sandbox_unavailable', 'its image is not there'))
    await expect(hosts.start(never)).rejects.toThrow('its image is not there')
    fail(undefined)
    expect((await hosts.start(never)).language).toBe('python')
  })

  it('are not waited for by who gave up', async () => {
    const { hosts, fail } = world()
    fail(new AppError('sandbox_unavailable', 'later'))
    const enough = new AbortController()
    const waiting = hosts.start(enough.signal)
    enough.abort()
    await expect(waiting).rejects.toThrow('given up')
  })

  it('that nobody needs end, one after the other, and all of them with the runner', async () => {
    const { jobs, hosts, clock } = world()
    const slots = await Promise.all([1, 2, 3, 4].map(() => hosts.start(never)))
    for (const slot of slots) await slot.destroy()
    await clock.advance(70_000)
    expect(jobs.filter(({ released }) => released === 1).length).toBeGreaterThan(0)
    await hosts[Symbol.asyncDispose]()
    expect(jobs.map(({ released }) => released)).toEqual(jobs.map(() => 1))
    await settled()
    expect(clock.sleeping).toBe(0)
  })
})
