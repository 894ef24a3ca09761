import { describe, expect, it } from 'vitest'
import type { Log } from '../core/log.ts'
import { FakeClock } from '../tests/fakes/clock.ts'
import { FakeKube } from '../tests/fakes/kube.ts'
import { KubeError } from './kube-error.ts'
import { leaseName, RunnerLease, readLeases } from './runner-lease.ts'

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent }

function world() {
  const kube = new FakeKube()
  const clock = new FakeClock()
  const hold = (runner = 'runner-1') => RunnerLease.hold({ http: kube, namespace: 'boxes', runner, log: silent, clock })
  const living = async () => [...(await readLeases(kube, 'boxes', clock.now())).living]
  return { kube, clock, hold, living }
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

  it('counts one that cannot be read as run out', async () => {
    const { kube, clock, hold } = world()
    await using _ = await hold()
    const path = '/apis/coordination.k8s.io/v1/namespaces/boxes/leases/runner-runner-1'
    await kube.call({ method: 'PATCH', path, body: { spec: { renewTime: 'soon' } } })
    expect(await readLeases(kube, 'boxes', clock.now())).toEqual({ living: new Set(), expired: ['runner-runner-1'] })
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
