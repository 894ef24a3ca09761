import { apply, getAll, kubectl } from './cluster.ts'
import { IMAGES } from './cluster-release.ts'

/** Values of rabbitmq.persistence that a claim can be bound with. Disposing removes what was made for that. */
export interface Volume extends AsyncDisposable {
  readonly values: { storageClass?: string }
}

/**
 * A volume for one claim: by the cluster's default StorageClass, else a folder on its only node, opened to all users by a pod, as fsGroup does not act on such a volume.
 */
export async function provideVolume(namespace: string): Promise<Volume> {
  const classes = await getAll('storageclasses')
  const standard = 'storageclass.kubernetes.io/is-default-class'
  if (classes.some(({ metadata }) => metadata.annotations?.[standard] === 'true')) {
    return { values: {}, async [Symbol.asyncDispose]() {} }
  }
  const name = `${namespace}-volume`
  const folder = `/var/tmp/${name}`
  // In a namespace of its own: that of the release is under the restricted standard, which has no root and no host folders.
  await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  await asRoot(name, 'make', `mkdir -m 777 /host/${name}`)
  await apply({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: {
      capacity: { storage: '1Gi' },
      accessModes: ['ReadWriteOnce'],
      storageClassName: name,
      persistentVolumeReclaimPolicy: 'Retain',
      hostPath: { path: folder },
    },
  })
  return {
    values: { storageClass: name },
    async [Symbol.asyncDispose]() {
      await kubectl('delete', 'persistentvolume', name, '--ignore-not-found')
      await asRoot(name, 'remove', `rm -rf /host/${name}`)
      await kubectl('delete', 'namespace', name)
    },
  }
}

/** Runs a line of shell as root with the node's /var/tmp at /host. */
async function asRoot(namespace: string, name: string, line: string): Promise<void> {
  await apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: {
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      containers: [
        {
          name,
          image: IMAGES.service,
          imagePullPolicy: 'IfNotPresent',
          command: ['sh', '-c', line],
          securityContext: { runAsUser: 0 },
          volumeMounts: [{ name: 'host', mountPath: '/host' }],
        },
      ],
      volumes: [{ name: 'host', hostPath: { path: '/var/tmp' } }],
    },
  })
  await kubectl('-n', namespace, 'wait', `pod/${name}`, '--for=jsonpath={.status.phase}=Succeeded', '--timeout=60s')
}
