import { apply, kubectl } from './cluster.ts'
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
