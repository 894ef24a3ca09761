import { apply, getAll, type KubeObject, kubectl } from './cluster.ts'
import { IMAGES } from './cluster-release.ts'

/** Waits first: a network plug-in may need a moment until a new pod is under its policies. */
const SCRIPT = `
const net = require('node:net')
const reach = (target) => new Promise((resolve) => {
  const [host, port] = target.split(':')
  const socket = net.connect({ host, port, timeout: 2000 })
  const end = (answer) => { socket.destroy(); resolve(answer) }
  socket.on('connect', () => end(true)).on('timeout', () => end(false)).on('error', () => end(false))
})
setTimeout(async () => console.log(JSON.stringify(await Promise.all(process.argv.slice(1).map(reach)))), 2000)`

/** Whether a new pod of no particular kind, valid under the restricted standard, can open a connection to each of these `address:port`. */
export async function reachableFrom(namespace: string, targets: readonly string[]): Promise<boolean[]> {
  const name = 'probe'
  await apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: {
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 10_001, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name,
          image: IMAGES.service,
          imagePullPolicy: 'IfNotPresent',
          args: ['--eval', SCRIPT, ...targets],
          resources: { limits: { cpu: '1', memory: '128Mi' }, requests: { cpu: '10m', memory: '64Mi' } },
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        },
      ],
    },
  })
  await kubectl('-n', namespace, 'wait', `pod/${name}`, '--for=jsonpath={.status.phase}=Succeeded', '--timeout=60s')
  const answers = JSON.parse(await kubectl('-n', namespace, 'logs', name)) as boolean[]
  await kubectl('-n', namespace, 'delete', 'pod', name, '--wait=false')
  return answers
}

/**
 * The same from a namespace beside `namespace` that has its NetworkPolicies and nothing else of it: among sandboxes admission policies let no probe in.
 * @throws Error when it has no NetworkPolicy
 */
export async function reachableFromTwin(namespace: string, targets: readonly string[]): Promise<boolean[]> {
  const policies = (await getAll('networkpolicies', '-n', namespace)) as (KubeObject & { spec: object })[]
  if (policies.length === 0) throw new Error(`There is no NetworkPolicy in ${namespace}`)
  const twin = `${namespace}-twin`
  const kind = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' }
  await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: twin } })
  try {
    await apply(
      ...policies.map(({ metadata, spec }) => ({ ...kind, metadata: { name: metadata.name, namespace: twin }, spec })),
    )
    return await reachableFrom(twin, targets)
  } finally {
    await kubectl('delete', 'namespace', twin, '--wait=false')
  }
}
