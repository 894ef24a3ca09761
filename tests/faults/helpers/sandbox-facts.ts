import { kubectl } from '../../helpers/cluster.ts'

const PREFIX = 'runlet.dev/'

export interface JobFacts {
  name: string
  state: string
  executionId: string | undefined
  runner: string | undefined
  language: string
  /** Ids of the executions whose record it holds. */
  records: string[]
}

interface Raw {
  metadata: { name: string; labels?: Record<string, string>; annotations?: Record<string, string> }
}

/** All Jobs of ours in a namespace. */
export async function jobsOf(namespace: string): Promise<JobFacts[]> {
  const args = ['get', 'jobs', '-n', namespace, '-l', 'app.kubernetes.io/managed-by=runlet', '-o', 'json']
  const { items } = JSON.parse(await kubectl(...args)) as { items: Raw[] }
  return items.map(({ metadata: { name, labels = {}, annotations = {} } }) => ({
    name,
    state: labels[`${PREFIX}state`] ?? '',
    executionId: labels[`${PREFIX}execution-id`],
    runner: labels[`${PREFIX}runner`],
    language: labels[`${PREFIX}language`] ?? '',
    records: Object.keys(annotations)
      .filter((key) => key.startsWith(`${PREFIX}execution-`))
      .map((key) => key.slice(`${PREFIX}execution-`.length)),
  }))
}

/** Names of the pods of a namespace that are not over. */
export async function livingPods(namespace: string): Promise<string[]> {
  const over = 'status.phase!=Succeeded,status.phase!=Failed'
  const names = await kubectl('get', 'pods', '-n', namespace, '--field-selector', over, '-o', 'name')
  return names.split('\n').filter(Boolean)
}

export async function leasesOf(namespace: string): Promise<string[]> {
  return (await kubectl('get', 'leases', '-n', namespace, '-o', 'name')).split('\n').filter(Boolean)
}
