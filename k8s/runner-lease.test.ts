import { describe, expect, it } from 'vitest'
import type { Log } from '../core/log.ts'
import { FakeClock } from '../tests/fakes/clock.ts'
import { FakeKube } from '../tests/fakes/kube.ts'
import { KubeError } from './kube-error.ts'
import { leaseName, leaseNames, RunnerLease, RunnerLife } from './runner-lease.ts'

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent }

function world() {
  const kube = new FakeKube()
  const clock = new FakeClock()
  const hold = (runner = 'runner-1') => RunnerLease.hold({ http: kube, namespace: 'boxes', runner, log: silent, clock })
  const life = new RunnerLife(clock)
  const living = async () => [...(await life.look(kube, 'boxes')).living]
  return { kube, clock, hold, living, life }
}

describe('RunnerLease', () => {
  it('is there before hold resolves, and says who lives', async () => {
    const { kube, hold, living, clock } = world()
    await using _ = await hold()
    expect(await living()).toEqual(['runner-1'])
    expect(kube.all('leases')[0]).toMatchObject({
      metadata: { name: 'runner-runner-1' },
      spec: { holderIdentity: 'runner-1', renewTime: new Date(clock.now()).toISOString().replace('Z', '000Z') },
    })
  })

  it('is renewed as long as it is held', async () => {
    const { clock, hold, living } = world()
    await using _ = await hold()
    await clock.advance(600_000)
    expect(await living()).toEqual(['runner-1'])
  })

  it('outlasts some failed renewals, and runs out when nobody renews it', async () => {
    const { kube, clock, hold, living } = world()
    await using _ = await hold()
    expect(await living()).toEqual(['runner-1'])
    kube.fail = ({ method }) => (method === 'PATCH' ? new KubeError(503, '', 'down') : undefined)
    await clock.advance(50_000)
    expect(await living()).toEqual(['runner-1'])
    await clock.advance(20_000)
    expect(await living()).toEqual([])
    kube.fail = () => undefined
    await clock.advance(10_000)
    expect(await living()).toEqual(['runner-1'])
  })

  it('is made again when somebody deleted it', async () => {
    const { kube, clock, hold, living } = world()
    await using _ = await hold()
    await kube.call({ method: 'DELETE', path: '/apis/coordination.k8s.io/v1/namespaces/boxes/leases/runner-runner-1' })
    await clock.advance(10_000)
    expect(await living()).toEqual(['runner-1'])
  })

  it('is given back at the end', async () => {
    const { kube, clock, hold } = world()
    const lease = await hold()
    await lease[Symbol.asyncDispose]()
    expect(kube.all('leases')).toEqual([])
    expect(clock.sleeping).toBe(0)
  })

  it('fails where it may not be made', async () => {
    const { kube, hold } = world()
    kube.fail = () => new KubeError(403, 'Forbidden', 'may not')
    await expect(hold()).rejects.toThrow('may not')
  })

  it.each([-300_000, 300_000])('shows that a runner lives whose clock is off by %i ms', async (offset) => {
    const { kube, clock, living, life } = world()
    const wrong = { now: () => clock.now() + offset, monotonic: clock.monotonic, sleep: clock.sleep.bind(clock) }
    const options = { http: kube, namespace: 'boxes', runner: 'wrong', log: silent }
    await using _ = await RunnerLease.hold({ ...options, clock: wrong })
    for (let look = 0; look < 10; look++) {
      expect(await living()).toEqual(['wrong'])
      await clock.advance(30_000)
    }
    kube.fail = ({ method }) => (method === 'PATCH' ? new KubeError(503, '', 'down') : undefined)
    await clock.advance(61_000)
    await living()
    await clock.advance(61_000)
    expect(await life.look(kube, 'boxes')).toEqual({ living: new Set(), expired: await leaseNames(kube, 'boxes') })
  })
})

describe('leaseName', () => {
  it.each([
    ['runlet-runner-7d9f-x2', 'runner-runlet-runner-7d9f-x2'],
    ['Host_Name', 'runner-host-name'],
  ])('%s is a name that the API takes: %s', (runner, name) => {
    expect(leaseName(runner)).toBe(name)
  })
})
