import { afterAll, beforeAll, it } from 'vitest'
import { eventually, kubectl } from '../helpers/cluster.ts'
import { fault } from './helpers/fault.ts'
import { RABBITMQ_POD, ReleaseWorld } from './helpers/release-world.ts'

/** Pods of a release that die at once, as with their node. */
let world: ReleaseWorld
beforeAll(async () => {
  world = await ReleaseWorld.start()
})
afterAll(() => world?.[Symbol.asyncDispose]())

const destroy = async (...pods: string[]) => {
  await kubectl('-n', world.release.namespace, 'delete', 'pod', ...pods, '--grace-period=0', '--force', '--wait=false')
}

/** Until as many pods of the component are ready as it has replicas. */
const untilReady = (component: 'api' | 'runner' | 'rabbitmq', count: number) =>
  eventually(
    `${count} pods of ${component} are ready`,
    async () => {
      const pods = await world.pods(component)
      return pods.filter(({ status }) => status?.containerStatuses?.every(({ ready }) => ready)).length === count
    },
    180_000,
  )

it('rabbitmq-pod-deleted', () =>
  fault('rabbitmq-pod-deleted', world, async () => {
    await destroy(RABBITMQ_POD)
    await untilReady('rabbitmq', 1)
  }))

it('runner-pods-deleted', () =>
  fault('runner-pods-deleted', world, async () => {
    await destroy(...(await world.pods('runner')).map(({ metadata }) => metadata.name))
    await untilReady('runner', world.runners)
  }))
