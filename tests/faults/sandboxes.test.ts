import { afterAll, beforeAll, expect, it } from 'vitest'
import { eventually, kubectl } from '../helpers/cluster.ts'
import { evict, podsOf, runningJobs, usedUp } from './helpers/breakage.ts'
import { fault, SHORT } from './helpers/fault.ts'
import { LANGUAGES, ProcessWorld } from './helpers/process-world.ts'
import { jobsOf } from './helpers/sandbox-facts.ts'

/** Sandboxes that go while they are used, and runners that get none, or get the time wrong. */
let world: ProcessWorld
beforeAll(async () => {
  world = await ProcessWorld.start()
})
afterAll(() => world?.[Symbol.asyncDispose]())

/** Programs that are still there when somebody has looked for them. */
const LONG = { seconds: 8 }
const SOME = SHORT ? 2 : 5
const HELD_MS = SHORT ? 10_000 : 30_000

const SHIFTED_CLOCK = new URL('helpers/shifted-clock.ts', import.meta.url).href

it('pods-deleted', () =>
  fault(
    'pods-deleted',
    world,
    async () => {
      const pods = await podsOf(world.namespace, await runningJobs(world.namespace, SOME))
      await kubectl('delete', 'pod', '-n', world.namespace, '--wait=false', ...pods)
    },
    LONG,
  ))

it('pods-evicted', () =>
  fault(
    'pods-evicted',
    world,
    async () => {
      const pods = await podsOf(world.namespace, await runningJobs(world.namespace, SOME))
      await Promise.all(pods.map((pod) => evict(world.namespace, pod)))
    },
    LONG,
  ))

it('jobs-deleted', () =>
  fault(
    'jobs-deleted',
    world,
    async () => {
      const running = await runningJobs(world.namespace, SOME)
      const warm = (await jobsOf(world.namespace)).filter(({ state }) => state === 'warm').slice(0, 1)
      const names = [...running, ...warm].map(({ name }) => name)
      await kubectl('delete', 'job', '-n', world.namespace, '--wait=false', ...names)
    },
    LONG,
  ))

it('finished-job-deleted', () =>
  fault('finished-job-deleted', world, async () => {
    const { id } = (await world.ask('/api/run/', { body: { language: 'python', code: 'print(1)' } })).json<{
      id: string
    }>()
    const holder = await eventually('its record is there', async () =>
      (await jobsOf(world.namespace)).find(({ records }) => records.includes(id)),
    )
    await kubectl('delete', 'job', '-n', world.namespace, holder.name)
    // Its result went with it; nobody is told to wait for it.
    await eventually('it is said to be gone', async () => {
      const answers = [0, 1].map((replica) => world.ask(`/api/schedule/check/${id}`, {}, replica))
      return (await Promise.all(answers)).every(({ status }) => status === 410)
    })
  }))

it('memory-used-up', () =>
  fault('memory-used-up', world, async () => {
    const code = 'block = []\nwhile True: block.append(bytearray(8 << 20))'
    const eaters = Array.from({ length: SOME }, () => world.ask('/api/run/', { body: { language: 'python', code } }))
    const ends = (await Promise.all(eaters)).map(({ status, json }) => [status, json<{ status: string }>().status])
    // Those that waited too long were told so; none is said to have done anything but what it did.
    expect(new Set(ends.filter(([status]) => status === 200).map(([, end]) => end))).toEqual(new Set(['out_of_memory']))
  }))

it('no-room-for-pods', () =>
  fault('no-room-for-pods', world, async () => {
    await using _quota = await usedUp(world.namespace)
    await new Promise((resolve) => setTimeout(resolve, HELD_MS))
  }))

it('image-missing', () =>
  fault('image-missing', world, async () => {
    const [runner] = world.runnerParts
    if (!runner) throw new Error('There is no runner')
    const python = { ...LANGUAGES.python, image: 'runlet/missing:none' }
    const env = { ...runner.options.env, LANGUAGES: JSON.stringify({ python }) }
    await runner.kill9()
    const without = await world.restart(runner, { env })
    await eventually(
      'its pool is held',
      async () => /^runlet_pool_held\{.*\} 1$/m.test(await without.metrics()),
      120_000,
    )
    await without.kill9()
    await world.restart(without, { env: runner.options.env })
  }))

it('clocks-off', () =>
  fault('clocks-off', world, async (load) => {
    const MINUTES = 60_000
    const set = async (shifts: readonly number[]) => {
      await Promise.all(
        [...world.runnerParts].map(async (runner, index) => {
          await runner.kill9()
          const env = { ...runner.options.env, CLOCK_SHIFT_MS: String(shifts[index] ?? 0) }
          await world.restart(runner, { env, nodeArguments: ['--import', SHIFTED_CLOCK] })
        }),
      )
    }
    await set([7 * MINUTES, -7 * MINUTES])
    await load.settle(240_000)
    await set([0, 0])
  }))
