import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { CLUSTER, clusterTool } from './helpers/breakage.ts'
import { fault, SHORT } from './helpers/fault.ts'
import { ProcessWorld } from './helpers/process-world.ts'

/**
 * Parts of the cluster itself that die. Only for a cluster that is one's own: CLUSTER names the tool that ends them (`$CLUSTER kill etcd`) and starts what is not
 * running (`$CLUSTER up`). Without it they are not possible, and listed as skipped.
 */
const AWAY_MS = SHORT ? 3_000 : 15_000
/** Longer than it takes to hand out an execution as often as a queue does, when each time fails at once or after half a minute. */
const LONG_AWAY_MS = SHORT ? 45_000 : 240_000

const KILLED = [
  'kube-apiserver-killed',
  'etcd-killed',
  'kubelet-killed',
  'containerd-killed',
  'kube-controller-manager-killed',
  'kube-scheduler-killed',
] as const

describe.runIf(CLUSTER)('components of the cluster', () => {
  let world: ProcessWorld
  beforeAll(async () => {
    world = await ProcessWorld.start()
  })
  afterAll(() => world?.[Symbol.asyncDispose]())

  const kill = async (component: string, awayMs: number) => {
    await clusterTool('kill', component)
    try {
      await sleep(awayMs)
    } finally {
      await clusterTool('up')
    }
  }

  it.each(KILLED)('%s', (name) => fault(name, world, () => kill(name.replace('-killed', ''), AWAY_MS)))

  it('kube-apiserver-away', () => fault('kube-apiserver-away', world, () => kill('kube-apiserver', LONG_AWAY_MS)))
})
