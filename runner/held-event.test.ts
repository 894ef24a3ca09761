import { describe, expect, it } from 'vitest'
import type { Story, Subject } from '../k8s/events.ts'
import { createHeldNotifier } from './held-event.ts'

function arrange() {
  const told: [Subject, Story][] = []
  const tell = (subject: Subject, story: Story) => void told.push([subject, story])
  return { told, notify: createHeldNotifier({ tell, namespace: 'sandboxes', runner: 'runlet-runner-7f9c-x2x' }) }
}

describe('the notifier', () => {
  it('warns about the Lease of the runner, which is beside the sandboxes', () => {
    const { told, notify } = arrange()
    notify({ language: 'python', held: true, reason: 'no nodes' })
    const subject = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      namespace: 'sandboxes',
      name: 'runner-runlet-runner-7f9c-x2x',
    }
    const message = 'No python sandboxes are started for now: no nodes'
    expect(told).toEqual([[subject, { type: 'Warning', reason: 'PoolHeld', message }]])
  })

  it('says that the pool is free again', () => {
    const { told, notify } = arrange()
    notify({ language: 'python', held: false, reason: 'sandboxes start again' })
    expect(told).toMatchObject([[{ kind: 'Lease' }, { reason: 'PoolFree', message: 'python sandboxes start again' }]])
  })
})
