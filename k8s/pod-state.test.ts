import type { V1ContainerState, V1Pod, V1PodStatus } from '@kubernetes/client-node'
import { describe, expect, it } from 'vitest'
import { podState } from './pod-state.ts'

const pod = (status: V1PodStatus = {}, nodeName?: string): V1Pod => ({
  metadata: { name: 'p' },
  spec: { containers: [], ...(nodeName !== undefined && { nodeName }) },
  status,
})

const withState = (state: V1ContainerState, name = 'sandbox', more: V1PodStatus = {}): V1Pod =>
  pod({ ...more, containerStatuses: [{ name, state, image: '', imageID: '', ready: false, restartCount: 0 }] }, 'node')

const waiting = (reason: string, message?: string) => withState({ waiting: { reason, ...(message && { message }) } })
const ended = (reason: string | undefined, exitCode: number, message?: string) =>
  withState({ terminated: { exitCode, ...(reason && { reason }), ...(message && { message }) } })

describe('podState', () => {
  it('of a new pod is nothing yet', () => {
    expect(podState(pod())).toEqual({ name: 'p', scheduled: false, running: false })
    expect(podState({})).toEqual({ name: '', scheduled: false, running: false })
  })

  it('knows a bound pod from a running one', () => {
    expect(podState(pod({}, 'node'))).toMatchObject({ scheduled: true, running: false })
    expect(podState(withState({ running: {} }))).toMatchObject({ scheduled: true, running: true })
  })

  it('looks at the sandbox, not at a container that somebody injected', () => {
    expect(podState(withState({ running: {} }, 'istio-proxy'))).toMatchObject({ running: false })
    expect(podState(withState({ terminated: { exitCode: 1 } }, 'istio-proxy')).over).toBeUndefined()
  })

  it.each([
    ['Unschedulable', '0/3 nodes are available', '0/3 nodes are available'],
    ['Unschedulable', undefined, 'no node fits'],
    ['SchedulingGated', 'gated', undefined],
  ])('says why no node takes it: %s, %s', (reason, message, expected) => {
    const condition = { type: 'PodScheduled', status: 'False', reason, ...(message && { message }) }
    expect(podState(pod({ conditions: [condition] })).unschedulable).toBe(expected)
  })

  it('does not take a scheduled pod for an unschedulable one', () => {
    expect(podState(pod({ conditions: [{ type: 'PodScheduled', status: 'True' }] })).unschedulable).toBeUndefined()
  })

  it.each([
    ['ErrImagePull', 'not found', 'ErrImagePull: not found'],
    ['ImagePullBackOff', undefined, 'ImagePullBackOff'],
    ['InvalidImageName', 'bad', 'InvalidImageName: bad'],
    ['CreateContainerConfigError', 'no such secret', 'CreateContainerConfigError: no such secret'],
    ['ContainerCreating', undefined, undefined],
    ['PodInitializing', undefined, undefined],
  ])('tells a container that cannot start from one that is about to: %s', (reason, message, expected) => {
    expect(podState(waiting(reason, message)).blocked).toBe(expected)
  })

  it.each([
    ['OOMKilled', 137, undefined, { outOfMemory: true, detail: 'exited with 137 (OOMKilled)' }],
    ['Error', 3, undefined, { outOfMemory: false, detail: 'exited with 3 (Error)' }],
    ['Completed', 0, undefined, { outOfMemory: false, detail: 'exited with 0 (Completed)' }],
    ['StartError', 128, 'no such file', { outOfMemory: false, detail: 'exited with 128 (StartError: no such file)' }],
  ])('says how the container ended: %s', (reason, exitCode, message, over) => {
    expect(podState(ended(reason, exitCode, message)).over).toEqual(over)
  })

  it('says why the whole pod ended where no container did', () => {
    expect(podState(pod({ phase: 'Failed', reason: 'Evicted', message: 'low on memory' })).over).toEqual({
      outOfMemory: false,
      detail: 'Evicted: low on memory',
    })
    expect(podState(pod({ phase: 'Failed' })).over?.detail).toBe('Failed')
  })

  it('takes a pod that is being deleted for over', () => {
    const deleted = { ...withState({ running: {} }), metadata: { name: 'p', deletionTimestamp: new Date(0) } }
    expect(podState(deleted).over?.detail).toMatch(/deleted/)
  })

  it('prefers the end of the container to the deletion of its pod', () => {
    const both = { ...ended('OOMKilled', 137), metadata: { name: 'p', deletionTimestamp: new Date(0) } }
    expect(podState(both).over?.outOfMemory).toBe(true)
  })
})
