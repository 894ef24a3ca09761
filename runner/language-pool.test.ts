import { describe, expect, it } from 'vitest'
import { AppError } from '../core/errors.ts'
import { FakeClock, settled } from '../tests/fakes/clock.ts'
import { MemoryLog } from '../tests/fakes/local.ts'
import { MemoryMetrics } from '../tests/fakes/metrics.ts'
import { FakeSandboxProvider } from '../tests/fakes/sandbox-provider.ts'
import type { Claim } from './claim.ts'
import { LanguagePool } from './language-pool.ts'
import { DEFAULT_SETTINGS, type RunnerSettings } from './settings.ts'
import type { HeldEvent } from './start-health.ts'
import type { Priority } from './waiting-line.ts'

function arrange({ warm = 2, max = 4, ...settings }: { warm?: number; max?: number } & Partial<RunnerSettings> = {}) {
  const clock = new FakeClock()
  const provider = new FakeSandboxProvider()
  const metrics = new MemoryMetrics()
  const log = new MemoryLog()
  const notified: HeldEvent[] = []
  const pool = new LanguagePool(
    'python',
    { warm, max },
    {
      provider,
      metrics,
      log,
      clock,
      settings: { ...DEFAULT_SETTINGS, ...settings },
      notify: (event) => void notified.push(event),
    },
  )
  const ready = async () => {
    for (const start of provider.starts) start.ready()
    await settled()
  }
  const fail = async (from = 0) => {
    for (const start of provider.starts.slice(from)) start.fail(new Error('no nodes'))
    await settled()
  }
  const got: string[] = []
  const claim = (name: string, priority: Priority = 'run', deadline?: number): Promise<Claim | undefined> =>
    pool.claim({ priority, deadline }).then(
      (claimed) => {
        got.push(`${name}: ${claimed.path}`)
        return claimed
      },
      (error) => void got.push(`${name}: ${error.code}`),
    )
  return { clock, provider, metrics, log, notified, pool, ready, fail, got, claim }
}

const living = ({ pool }: { pool: LanguagePool }) => {
  const { starting, idle, claimed, ending } = pool.capacity()
  return { starting, idle, claimed, ending }
}

describe('a claim', () => {
  it('takes a warm sandbox without a timer, an API call or a tick of the event loop', async () => {
    const { pool, provider, ready, clock } = arrange()
    await ready()
    const starts = provider.starts.length
    let claimed: Claim | undefined
    void pool.claim({ priority: 'run' }).then((claim) => {
      claimed = claim
    })
    await Promise.resolve()
    expect(claimed).toMatchObject({ path: 'warm' })
    expect(provider.starts.length).toBe(starts)
    expect(clock.monotonic()).toBe(0)
  })

  it('takes the oldest', async () => {
    const { clock, provider, claim } = arrange({ warm: 2 })
    provider.starts[1]?.ready()
    await clock.advance(10)
    provider.starts[0]?.ready()
    await settled()
    const first = await claim('first')
    expect(first?.sandbox.name).toBe('python-2')
  })

  it('is followed by a refill, a moment later', async () => {
    const { clock, provider, ready, claim } = arrange({ refillDelayMs: 25 })
    await ready()
    await claim('first')
    await clock.advance(24)
    expect(provider.starts.length).toBe(2)
    await clock.advance(1)
    expect(provider.starts.length).toBe(3)
  })

  it('waits for a start when nothing is warm, on the same way', async () => {
    const { pool, provider, got, claim, ready } = arrange({ warm: 0 })
    void claim('first')
    expect([provider.starts.length, pool.capacity().waiting]).toEqual([1, 1])
    await ready()
    expect(got).toEqual(['first: cold'])
    expect(living({ pool })).toEqual({ starting: 0, idle: 0, claimed: 1, ending: 0 })
  })

  it('lets runs go before scheduled executions', async () => {
    const { claim, got, provider } = arrange({ warm: 0 })
    void claim('execution', 'execution')
    void claim('run', 'run')
    provider.starts[0]?.ready()
    await settled()
    expect(got).toEqual(['run: cold'])
  })

  it('gets no_capacity at its deadline, and leaves its start to the pool', async () => {
    const { clock, pool, claim, got, ready } = arrange({ warm: 1, max: 1 })
    await ready()
    await claim('first')
    void claim('second', 'run', clock.now() + 50)
    await clock.advance(50)
    expect(got).toEqual(['first: warm', 'second: no_capacity'])
    expect(pool.capacity().waiting).toBe(0)
  })

  it('never lets more live than max: the next start comes when one is gone', async () => {
    const { pool, provider, claim, ready, got } = arrange({ warm: 1, max: 2 })
    await ready()
    const first = await claim('first')
    void claim('second')
    void claim('third')
    await ready()
    expect(got).toEqual(['first: warm', 'second: cold'])
    expect(provider.starts.length).toBe(2)
    const slow = Promise.withResolvers<void>()
    const [sandbox] = provider.sandboxes
    if (sandbox) sandbox.destroying = slow.promise
    const released = first?.release()
    await settled()
    expect([provider.starts.length, living({ pool }).ending]).toEqual([2, 1])
    slow.resolve()
    await released
    await ready()
    expect(got).toEqual(['first: warm', 'second: cold', 'third: cold'])
  })
})

describe('a sandbox', () => {
  it('is destroyed after its execution, once, and never used again', async () => {
    const { pool, provider, claim, ready } = arrange({ warm: 1 })
    await ready()
    const first = await claim('first')
    await Promise.all([first?.release(), first?.release()])
    expect(provider.sandboxes[0]?.destroyed).toBe(1)
    expect(living({ pool })).toEqual({ starting: 0, idle: 0, claimed: 0, ending: 0 })
  })

  it('that ends while idle is dropped and replaced', async () => {
    const { clock, pool, provider, metrics, ready } = arrange({ warm: 2 })
    await ready()
    await clock.advance(60_000)
    provider.sandboxes[0]?.end({ reason: 'lost', detail: 'evicted' })
    await clock.advance(100)
    expect(provider.sandboxes[0]?.destroyed).toBe(1)
    expect(living({ pool })).toEqual({ starting: 1, idle: 1, claimed: 0, ending: 0 })
    expect(metrics.get('runlet_sandbox_failures_total', 'python', 'lost_idle')).toBe(1)
  })

  it('that its provider takes back while idle is replaced, and counts as no failure', async () => {
    const { clock, pool, provider, metrics, ready } = arrange({ warm: 1, holdAfter: 1 })
    await ready()
    provider.sandboxes[0]?.end({ reason: 'finished' })
    await clock.advance(100)
    expect(living({ pool })).toEqual({ starting: 1, idle: 0, claimed: 0, ending: 0 })
    expect(pool.capacity().held).toBeUndefined()
    expect(metrics.get('runlet_sandbox_failures_total', 'python', 'lost_idle')).toBe(0)
  })

  it('that can not be destroyed stops counting after a while, with a line in the log', async () => {
    const { clock, pool, provider, log, claim, ready } = arrange({ warm: 1, max: 1, destroyDeadlineMs: 1_000 })
    await ready()
    const first = await claim('first')
    const [sandbox] = provider.sandboxes
    if (sandbox) sandbox.destroying = new Promise(() => {})
    void first?.release()
    await clock.advance(999)
    expect(living({ pool }).ending).toBe(1)
    await clock.advance(1)
    expect(living({ pool }).ending).toBe(0)
    expect(log.lines).toContain('error A sandbox could not be destroyed')
  })

  it('that is ready after its deadline is destroyed and does not count', async () => {
    const { clock, pool, provider } = arrange({ warm: 1, max: 1, startDeadlineMs: 1_000 })
    const [start] = provider.starts
    const late = Promise.withResolvers<Awaited<ReturnType<FakeSandboxProvider['start']>>>()
    provider.start = () => late.promise
    start?.fail(new Error('no nodes'))
    await clock.advance(30)
    expect(living({ pool }).starting).toBe(1)
    await clock.advance(1_000)
    start?.ready()
    const [sandbox] = provider.sandboxes
    if (sandbox) late.resolve(sandbox)
    await settled()
    expect(sandbox?.destroyed).toBe(1)
    expect(living({ pool }).idle).toBe(0)
  })

  it('is counted by state in a metric', async () => {
    const { metrics, claim, ready } = arrange({ warm: 2 })
    expect(metrics.get('runlet_sandboxes', 'python', 'starting')).toBe(2)
    await ready()
    await claim('first')
    const counts = ['starting', 'idle', 'claimed', 'ending'].map((state) =>
      metrics.get('runlet_sandboxes', 'python', state),
    )
    expect(counts).toEqual([0, 1, 1, 0])
    expect(metrics.get('runlet_sandbox_start_seconds', 'python')).toBe(2)
  })

  it('tells the version that really runs', async () => {
    const { pool, ready } = arrange()
    expect(pool.capacity().version).toBeUndefined()
    await ready()
    expect(pool.capacity().version).toBe('3.13.5')
  })
})

describe('a pool whose starts fail', () => {
  it('is held with one log line, one metric and one notice, and refuses runs at once', async () => {
    const { pool, provider, metrics, log, notified, fail, got, claim, clock } = arrange({ warm: 3 })
    await fail()
    await clock.advance(30)
    expect(pool.capacity().held).toMatchObject({ reason: 'no nodes' })
    expect(metrics.get('runlet_pool_held', 'python')).toBe(1)
    expect(notified).toEqual([{ language: 'python', held: true, reason: 'no nodes' }])
    expect(log.lines.filter((line) => line.startsWith('error'))).toHaveLength(1)
    await claim('run')
    expect(got).toEqual(['run: sandbox_unavailable'])
    expect(provider.starts.length).toBe(3)
  })

  it('sends runs away that wait already, and lets scheduled executions wait', async () => {
    const { fail, got, claim, clock } = arrange({ warm: 0 })
    void claim('run', 'run')
    void claim('execution', 'execution')
    void claim('execution', 'execution')
    await fail()
    await clock.advance(30)
    expect(got).toEqual(['run: sandbox_unavailable'])
  })

  it('tries one at a time with growing pauses, not a storm', async () => {
    const { provider, fail, clock } = arrange({ warm: 3, holdBaseMs: 1_000 })
    const tries: number[] = []
    for (let second = 0; second < 16; second++) {
      const before = provider.starts.length
      await fail()
      await clock.advance(1_000)
      if (provider.starts.length > before) tries.push(second)
    }
    expect(provider.starts.length - 3).toBe(tries.length)
    expect(tries).toEqual([0, 2, 6, 14])
  })

  it('lets a run try again when the pause is over, although nothing is kept warm', async () => {
    const { clock, fail, claim, got, ready, provider } = arrange({ warm: 0, holdAfter: 1, holdBaseMs: 1_000 })
    void claim('first')
    await fail()
    await clock.advance(1_000)
    void claim('second')
    expect(provider.starts.length).toBe(2)
    await ready()
    expect(got).toEqual(['first: sandbox_unavailable', 'second: cold'])
  })

  it('is free again when a sandbox has lived for a while, and fills up', async () => {
    const { pool, clock, fail, ready, notified } = arrange({ warm: 3 })
    await fail()
    await clock.advance(1_100)
    await ready()
    await clock.advance(100)
    expect(living({ pool })).toEqual({ starting: 1, idle: 1, claimed: 0, ending: 0 })
    await clock.advance(5_000)
    await ready()
    expect(pool.capacity()).toMatchObject({ idle: 3, held: undefined })
    expect(notified.map((event) => event.held)).toEqual([true, false])
  })

  it('is free again when an execution came through', async () => {
    const { pool, clock, fail, ready, claim } = arrange({ warm: 0, holdAfter: 1 })
    void claim('first', 'run')
    await fail()
    await clock.advance(1_000)
    const second = claim('second', 'run')
    await ready()
    await (await second)?.release()
    await clock.advance(30)
    expect(pool.capacity().held).toBeUndefined()
  })

  it('is held when sandboxes die as soon as they are ready', async () => {
    const { pool, clock, provider } = arrange({ warm: 1, holdAfter: 3 })
    for (let round = 0; round < 20; round++) {
      provider.starts.at(-1)?.ready()
      await settled()
      provider.sandboxes.at(-1)?.end({ reason: 'lost', detail: 'the agent crashed' })
      await clock.advance(30)
    }
    expect(pool.capacity().held?.reason).toContain('the agent crashed')
    expect(provider.starts.length).toBeLessThan(6)
  })
})

describe('a pool under load', () => {
  /** Claims for so many seconds at this rate; each is over at once. */
  async function work({ clock, claim }: ReturnType<typeof arrange>, perSecond: number, seconds: number) {
    for (let count = 0; count < perSecond * seconds; count++) {
      void claim('any').then((claimed) => claimed?.release())
      await clock.advance(1_000 / perSecond)
    }
  }

  /** Starts take this long. */
  function starting({ provider, clock }: ReturnType<typeof arrange>, milliseconds: number) {
    const start = provider.start.bind(provider)
    provider.start = (language, signal) => {
      const started = start(language, signal)
      const made = provider.starts.at(-1)
      void clock.sleep(milliseconds).then(() => made?.ready())
      return started
    }
  }

  it('keeps more ready when more come, and gives back when it is quiet', async () => {
    const world = arrange({ warm: 1, max: 20 })
    starting(world, 1_000)
    world.provider.starts[0]?.ready()
    await work(world, 4, 60)
    const cold = (lines: string[]) => lines.filter((line) => line === 'any: cold').length
    expect(cold(world.got.slice(-80))).toBe(0)
    expect(world.metrics.get('runlet_pool_wanted', 'python')).toBe(7)
    expect(living(world).idle).toBeGreaterThan(1)
    const before = world.provider.starts.length
    await world.clock.advance(600_000)
    expect(living(world)).toEqual({ starting: 0, idle: 1, claimed: 0, ending: 0 })
    expect(world.provider.starts.length).toBeLessThan(before + 10)
  })

  it('is not paced where a start costs nothing: as many at once as come', async () => {
    const { pool, provider, clock, claim, got } = arrange({ warm: 2, max: 100 })
    provider.auto = () => {}
    for (const start of provider.starts) start.ready()
    await settled()
    for (let round = 0; round < 10; round++) {
      for (let count = 0; count < 20; count++) void claim('any').then((claimed) => claimed?.release())
      await settled()
    }
    expect(got).toHaveLength(200)
    expect(clock.monotonic()).toBe(0)
    await clock.advance(1)
    expect(pool.capacity().idle).toBeGreaterThanOrEqual(2)
  })
})

describe('a cluster without room', () => {
  /** Refuses what goes beyond `room`, as a quota does. */
  function limit(world: ReturnType<typeof arrange>, rooms: { room: number }) {
    const { provider, pool } = world
    const start = provider.start.bind(provider)
    provider.start = (language, signal) => {
      if (pool.capacity().idle + pool.capacity().claimed + pool.capacity().starting > rooms.room)
        return Promise.reject(new AppError('no_capacity', 'exceeded quota'))
      const started = start(language, signal)
      provider.starts.at(-1)?.ready()
      return started
    }
  }

  it('is used as far as it goes: no pause for the pool, no storm, one line in the log', async () => {
    const world = arrange({ warm: 2, max: 8 })
    const { pool, provider, claim, got, clock, log, metrics } = world
    limit(world, { room: 3 })
    await world.ready()
    const claims = await Promise.all([claim('a'), claim('b')])
    void claim('c')
    await clock.advance(100)
    void claim('d', 'execution')
    await clock.advance(30_000)
    expect(pool.capacity()).toMatchObject({ claimed: 3, waiting: 1, held: undefined })
    expect(metrics.get('runlet_sandbox_failures_total', 'python', 'no_room')).toBeLessThan(8)
    expect(log.lines.filter((line) => line.startsWith('warn'))).toHaveLength(1)
    await claims[0]?.release()
    await clock.advance(30)
    expect(got).toEqual(['a: warm', 'b: warm', 'c: cold', 'd: cold'])
    expect(provider.starts.length).toBe(4)
  })

  it('is noticed when it grows again', async () => {
    const world = arrange({ warm: 2, max: 8 })
    const rooms = { room: 2 }
    limit(world, rooms)
    await world.ready()
    for (const name of ['a', 'b', 'c', 'd']) void world.claim(name, 'execution')
    await world.clock.advance(1_000)
    rooms.room = 8
    await world.clock.advance(60_000)
    expect(world.got).toHaveLength(4)
    expect(world.log.lines.at(-1)).toBe('info The cluster has room for more sandboxes again')
  })

  it('holds the pool when there is not even room for one', async () => {
    const world = arrange({ warm: 0 })
    limit(world, { room: 0 })
    void world.claim('a', 'execution')
    await world.clock.advance(5_000)
    expect(world.pool.capacity().held?.reason).toBe('exceeded quota')
  })
})

describe('draining', () => {
  it('ends idle and starting sandboxes, sends waiters away and leaves the claimed', async () => {
    const { pool, provider, claim, got } = arrange({ warm: 2, max: 3 })
    provider.starts[0]?.ready()
    await settled()
    const first = await claim('first')
    provider.starts[1]?.ready()
    await settled()
    await claim('second')
    void claim('third', 'execution')
    await settled()
    const drained = pool.drain()
    await claim('fourth')
    await drained
    expect(got).toEqual(['first: warm', 'second: warm', 'third: shutting_down', 'fourth: shutting_down'])
    expect(living({ pool })).toEqual({ starting: 0, idle: 0, claimed: 2, ending: 0 })
    expect(provider.starts[2]?.signal.aborted).toBe(true)
    await first?.release()
    await pool.destroy()
    expect(living({ pool })).toEqual({ starting: 0, idle: 0, claimed: 0, ending: 0 })
  })

  it('starts nothing more and leaves no timer', async () => {
    const { pool, provider, clock, ready } = arrange()
    await ready()
    await pool.drain()
    const starts = provider.starts.length
    await clock.advance(600_000)
    expect([provider.starts.length, clock.sleeping]).toEqual([starts, 0])
  })

  it('destroys a sandbox that became ready in spite of it', async () => {
    const { pool, provider } = arrange({ warm: 1 })
    provider.starts[0]?.ready()
    await pool.drain()
    expect(provider.sandboxes[0]?.destroyed).toBe(1)
  })
})

describe('a sandbox too many', () => {
  it('is ended: its waiter left before it was ready', async () => {
    const { pool, provider, clock, claim, got, ready } = arrange({ warm: 0 })
    void claim('first', 'run', clock.now() + 10)
    await clock.advance(10)
    await ready()
    await clock.advance(30)
    expect(got).toEqual(['first: no_capacity'])
    expect(provider.sandboxes[0]?.destroyed).toBe(1)
    expect(living({ pool })).toEqual({ starting: 0, idle: 0, claimed: 0, ending: 0 })
  })
})
