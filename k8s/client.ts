import { KubeConfig } from '@kubernetes/client-node'
import { KubeHttp } from './http.ts'

/**
 * The API server, as the environment says: KUBECONFIG, ~/.kube/config, or the service account of the pod.
 * @throws Error when there is none
 */
export function createKubeHttp(): KubeHttp {
  const config = new KubeConfig()
  config.loadFromDefault()
  return new KubeHttp(config)
}

/** One rule of a Role in a namespace of sandboxes. */
export interface Permission {
  group: string
  /** `pods/attach` for a subresource. */
  resource: string
  verbs: readonly string[]
}

/** `nested`: the runner in the namespace where executions share Jobs. */
export type Component = 'api' | 'runner' | 'nested'

/** Everything that the code does with the API server, and nothing else; all of it in namespaces of sandboxes. */
export const requiredPermissions: Record<Component, readonly Permission[]> = {
  api: [{ group: 'batch', resource: 'jobs', verbs: ['get', 'list', 'watch'] }],
  runner: [
    { group: 'batch', resource: 'jobs', verbs: ['create', 'delete', 'list', 'patch'] },
    { group: '', resource: 'pods', verbs: ['get', 'list', 'watch'] },
    // A WebSocket begins as a GET; newer API servers want the right to create as well.
    { group: '', resource: 'pods/attach', verbs: ['create', 'get'] },
    // Reading says why a Job has no pod; writing is how a held pool is told to whoever looks with kubectl.
    { group: '', resource: 'events', verbs: ['create', 'list'] },
    { group: 'coordination.k8s.io', resource: 'leases', verbs: ['create', 'delete', 'list', 'patch'] },
  ],
  nested: [
    { group: 'batch', resource: 'jobs', verbs: ['create', 'delete', 'list', 'patch'] },
    { group: '', resource: 'pods', verbs: ['get', 'list', 'watch'] },
    { group: '', resource: 'pods/attach', verbs: ['create', 'get'] },
    { group: '', resource: 'events', verbs: ['create', 'list'] },
  ],
}

interface Review {
  status?: { allowed?: boolean }
}

/**
 * What the API server would refuse us, in words: `may not patch jobs.batch in namespace sandboxes`. Empty when all is well.
 * @throws KubeError when it can't be asked
 */
export async function missingPermissions(
  http: Pick<KubeHttp, 'call'>,
  component: Component,
  namespace: string,
  signal?: AbortSignal,
): Promise<string[]> {
  const questions = requiredPermissions[component].flatMap(({ group, resource, verbs }) =>
    verbs.map((verb) => ({ group, resource, verb })),
  )
  const answers = await Promise.all(
    questions.map(async ({ group, resource: path, verb }) => {
      const [resource, subresource] = path.split('/')
      const review = await http.call<Review>({
        method: 'POST',
        path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
        body: {
          apiVersion: 'authorization.k8s.io/v1',
          kind: 'SelfSubjectAccessReview',
          spec: { resourceAttributes: { namespace, group, resource, ...(subresource && { subresource }), verb } },
        },
        signal,
      })
      const named = group === '' ? path : `${path}.${group}`
      return review.status?.allowed ? [] : [`may not ${verb} ${named} in namespace ${namespace}`]
    }),
  )
  return answers.flat()
}
