import { apply, eventually, kubectl, run } from '../../helpers/cluster.ts'
import { type JobFacts, jobsOf } from './sandbox-facts.ts'

/** The tool that ends and starts the parts of a cluster that is one's own: `$CLUSTER kill COMPONENT`, as a crash would, and `$CLUSTER up`. */
export const CLUSTER = process.env.CLUSTER

export async function clusterTool(...args: string[]): Promise<void> {
  if (CLUSTER === undefined) throw new Error('CLUSTER must name the tool that ends and starts the parts of the cluster')
  await run(CLUSTER, args)
}

/** Jobs that are shown as running an execution, as soon as there are so many. */
export async function runningJobs(namespace: string, count: number): Promise<JobFacts[]> {
  return await eventually(`${count} executions are shown as running`, async () => {
    const running = (await jobsOf(namespace)).filter(({ state }) => state === 'running')
    return running.length >= count && running.slice(0, count)
  })
}

/** The pods of Jobs, as far as they are still there. */
export async function podsOf(namespace: string, jobs: readonly JobFacts[]): Promise<string[]> {
  const selector = `batch.kubernetes.io/job-name in (${jobs.map(({ name }) => name).join(',')})`
  const names = await kubectl('get', 'pods', '-n', namespace, '-l', selector, '-o', 'name')
  return names
    .split('\n')
    .filter(Boolean)
    .map((name) => name.replace('pod/', ''))
}

/** As `kubectl drain` does it. */
export async function evict(namespace: string, pod: string): Promise<void> {
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: pod, namespace } }
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/eviction`
  await run('kubectl', ['create', '--raw', path, '-f', '-'], { stdin: JSON.stringify(eviction) })
}

/** No pod can be made in this namespace until it is disposed of, as when somebody else has used up all that there is. */
export async function usedUp(namespace: string): Promise<AsyncDisposable> {
  const name = 'used-up'
  await apply({
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name, namespace },
    spec: { hard: { pods: '0' } },
  })
  return {
    async [Symbol.asyncDispose]() {
      await kubectl('delete', 'resourcequota', name, '-n', namespace)
    },
  }
}
