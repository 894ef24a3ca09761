import { describe, expect, it } from 'vitest'
import type { KubeRequest } from '../k8s/http.ts'
import { FakeClock, settled } from '../tests/fakes/clock.ts'
import { MemoryLog } from '../tests/fakes/local.ts'
import { createHeldNotifier, describeHeld } from './held-event.ts'

const WHERE = { namespace: 'sandboxes', runner: 'runlet-runner-7f9c-x2x', now: Date.UTC(2026, 0, 31, 12, 0, 0, 5) }

describe('describeHeld', () => {
  it('is about the Lease of the runner, which is beside the sandboxes', () => {
    expect(describeHeld({ language: 'python', held: true, reason: 'no nodes' }, WHERE)).toEqual({
      apiVersion: 'v1',
      kind: 'Event',
      metadata: {
        name: expect.stringMatching(/^runner-runlet-runner-7f9c-x2x\.[0-9a-f]{16}$/),
        namespace: 'sandboxes',
      },
      involvedObject: {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        namespace: 'sandboxes',
        name: 'runner-runlet-runner-7f9c-x2x',
      },
      type: 'Warning',
      reason: 'PoolHeld',
      message: 'No python sandboxes are started for now: no nodes',
      source: { component: 'runlet-runner' },
      firstTimestamp: '2026-01-31T12:00:00Z',
      lastTimestamp: '2026-01-31T12:00:00Z',
      count: 1,
    })
  })

  it('is normal when the pool is free again', () => {
    const event = describeHeld({ language: 'python', held: false, reason: 'sandboxes start again' }, WHERE)
    expect(event).toMatchObject({ type: 'Normal', reason: 'PoolFree', message: 'python sandboxes start again' })
  })

  it('is never longer than the API server takes', () => {
    const event = describeHeld({ language: 'python', held: true, reason: 'x'.repeat(5_000) }, WHERE)
    expect(event.message).toHaveLength(1024)
  })
})

describe('the notifier', () => {
  function arrange(call: (request: KubeRequest) => Promise<unknown>) {
    const log = new MemoryLog()
    const http = { call: <Answer>(request: KubeRequest) => call(request) as Promise<Answer> }
    const notify = createHeldNotifier({ http, namespace: 'sandboxes', runner: 'r1', log, clock: new FakeClock() })
    return { log, notify }
  }

  it('writes one Event', async () => {
    const requests: KubeRequest[] = []
    const { log, notify } = arrange(async (request) => void requests.push(request))
    notify({ language: 'python', held: true, reason: 'no nodes' })
    await settled()
    expect(requests).toMatchObject([{ method: 'POST', path: '/api/v1/namespaces/sandboxes/events' }])
    expect(log.lines).toEqual([])
  })

  it('says in the log when that fails, and goes on', async () => {
    const { log, notify } = arrange(() => Promise.reject(new Error('forbidden')))
    notify({ language: 'python', held: true, reason: 'no nodes' })
    await settled()
    expect(log.lines).toEqual(['warn An Event could not be written'])
  })
})
