import { KubeConfig } from '@kubernetes/client-node'
import { KubeHttp } from '../../k8s/http.ts'

/** The API server of the kubeconfig, in the name of somebody else: `system:serviceaccount:NAMESPACE:NAME`. Undefined: as the administrator. */
export function kubeAs(user?: string): KubeHttp {
  const config = new KubeConfig()
  config.loadFromDefault()
  const current = config.getCurrentUser()
  if (!current) throw new Error('The kubeconfig names no user')
  if (user !== undefined) Object.assign(current, { impersonateUser: user })
  return new KubeHttp(config)
}

/** Who makes the pods of Jobs. */
export const JOB_CONTROLLER = 'system:serviceaccount:kube-system:job-controller'

/** Has the API server look at an object as if it were to be made. Resolves with its objection, `admitted` when it has none. */
export async function tryOut(http: KubeHttp, path: string, object: object): Promise<string> {
  try {
    await http.call({ method: 'POST', path, query: { dryRun: 'All' }, body: object })
    return 'admitted'
  } catch (error) {
    return String(error)
  }
}
