import type { V1Job } from '@kubernetes/client-node'
import { describe, expect, it } from 'vitest'
import { buildRecordJob, buildSandboxJob, uidRange } from './job-spec.ts'
import type { SandboxSettings } from './settings.ts'

const facts = { name: 'python-x1', language: 'python', runner: 'runner-a', uid: 1_234_567_890, retentionSeconds: 600 }
const build = (settings: Partial<SandboxSettings> = {}) => buildSandboxJob({ image: 'python:1', ...settings }, facts)
const podOf = (job: V1Job) => job.spec?.template.spec
const containerOf = (job: V1Job) => podOf(job)?.containers[0]

/** All of it: whatever changes here changes what runs on other people's clusters. */
const GOLDEN: V1Job = {
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: {
    name: 'python-x1',
    labels: {
      'app.kubernetes.io/managed-by': 'runlet',
      'runlet.dev/language': 'python',
      'runlet.dev/runner': 'runner-a',
      'runlet.dev/state': 'starting',
    },
  },
  spec: {
    completions: 1,
    parallelism: 1,
    backoffLimit: 0,
    podReplacementPolicy: 'Failed',
    activeDeadlineSeconds: 86_400,
    ttlSecondsAfterFinished: 600,
    template: {
      metadata: {
        labels: {
          'app.kubernetes.io/managed-by': 'runlet',
          'runlet.dev/language': 'python',
          'runlet.dev/runner': 'runner-a',
        },
        annotations: { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'true' },
      },
      spec: {
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 1,
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        shareProcessNamespace: false,
        hostname: 'sandbox',
        dnsPolicy: 'None',
        dnsConfig: { nameservers: ['127.0.0.1'] },
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 1_234_567_890,
          runAsGroup: 1_234_567_890,
          seccompProfile: { type: 'RuntimeDefault' },
        },
        containers: [
          {
            name: 'sandbox',
            image: 'python:1',
            imagePullPolicy: 'IfNotPresent',
            stdin: true,
            stdinOnce: true,
            tty: false,
            terminationMessagePath: '/root/termination-log',
            terminationMessagePolicy: 'File',
            securityContext: {
              allowPrivilegeEscalation: false,
              capabilities: { drop: ['ALL'] },
              privileged: false,
              readOnlyRootFilesystem: true,
            },
            resources: {
              requests: { cpu: '50m', memory: '64Mi', 'ephemeral-storage': '16Mi' },
              limits: { cpu: '1', memory: '640Mi', 'ephemeral-storage': '64Mi' },
            },
            volumeMounts: [
              { name: 'tmp', mountPath: '/tmp' },
              { name: 'shm', mountPath: '/dev/shm' },
            ],
          },
        ],
        volumes: [
          { name: 'tmp', emptyDir: { medium: 'Memory', sizeLimit: '128Mi' } },
          { name: 'shm', emptyDir: { medium: 'Memory', sizeLimit: '16Mi' } },
        ],
      },
    },
  },
}

/** Every setting there is, opened up as far as it goes. */
const everything: SandboxSettings = {
  image: 'python:1',
  imagePullPolicy: 'Always',
  imagePullSecrets: ['registry'],
  resources: { requests: { cpu: '2' }, limits: { memory: '1Gi' } },
  runtimeClassName: 'gvisor',
  hostUsers: false,
  nodeSelector: { pool: 'sandboxes' },
  tolerations: [{ key: 'sandboxes', operator: 'Exists', effect: undefined }],
  priorityClassName: 'low',
  localhostSeccompProfile: 'runlet.json',
  tmpSize: '64Mi',
  sharedMemorySize: '1Mi',
}

describe('buildSandboxJob', () => {
  it('is this when nothing but the image is set', () => {
    expect(build()).toEqual(GOLDEN)
  })

  it.each(['imagePullPolicy', 'runtimeClassName', 'hostUsers', 'nodeSelector', 'priorityClassName'] as const)(
    'passes %s on',
    (name) => {
      const job = build({ [name]: everything[name] })
      const target = name === 'imagePullPolicy' ? containerOf(job) : podOf(job)
      expect(target).toHaveProperty(name, everything[name])
    },
  )

  it('passes tolerations on without the fields that are not set', () => {
    const spec = podOf(build({ tolerations: everything.tolerations }))
    expect(spec?.tolerations).toStrictEqual([{ key: 'sandboxes', operator: 'Exists' }])
  })

  it('names pull secrets as the API wants them', () => {
    expect(podOf(build({ imagePullSecrets: ['a', 'b'] }))?.imagePullSecrets).toEqual([{ name: 'a' }, { name: 'b' }])
  })

  it('lays resources over the defaults, name by name', () => {
    const { resources } = containerOf(build({ resources: { requests: { cpu: '2' }, limits: { memory: '1Gi' } } })) ?? {}
    expect(resources).toEqual({
      requests: { cpu: '2', memory: '64Mi', 'ephemeral-storage': '16Mi' },
      limits: { cpu: '1', memory: '1Gi', 'ephemeral-storage': '64Mi' },
    })
  })

  it('keeps a default whose setting is there but undefined', () => {
    const { resources } = containerOf(build({ resources: { limits: { memory: undefined, cpu: '3' } } })) ?? {}
    expect(resources?.limits).toEqual({ cpu: '3', memory: '640Mi', 'ephemeral-storage': '64Mi' })
  })

  it('sizes the two writable places', () => {
    const volumes = podOf(build({ tmpSize: '1Mi', sharedMemorySize: '2Mi' }))?.volumes
    expect(volumes?.map(({ emptyDir }) => emptyDir?.sizeLimit)).toEqual(['1Mi', '2Mi'])
  })

  it('uses a seccomp profile of the node where one is named', () => {
    const profile = podOf(build({ localhostSeccompProfile: 'runlet.json' }))?.securityContext?.seccompProfile
    expect(profile).toEqual({ type: 'Localhost', localhostProfile: 'runlet.json' })
  })

  it.each([
    ['no settings', {}],
    ['all settings', everything],
  ])('is closed with %s', (_, settings) => {
    const job = build(settings)
    const pod = podOf(job)
    const container = containerOf(job)
    expect(pod).toMatchObject({
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      shareProcessNamespace: false,
      securityContext: { runAsNonRoot: true },
    })
    expect(container?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      privileged: false,
      readOnlyRootFilesystem: true,
    })
    expect(Object.keys(container?.resources?.limits ?? {}).sort()).toEqual(['cpu', 'ephemeral-storage', 'memory'])
    for (const forbidden of ['hostNetwork', 'hostPID', 'hostIPC', 'serviceAccountName', 'initContainers']) {
      expect(pod).not.toHaveProperty(forbidden)
    }
    for (const forbidden of ['env', 'envFrom', 'ports', 'command', 'lifecycle']) {
      expect(container).not.toHaveProperty(forbidden)
    }
    expect(pod?.volumes?.every(({ emptyDir }) => emptyDir?.medium === 'Memory' && emptyDir.sizeLimit)).toBe(true)
    expect(pod?.containers).toHaveLength(1)
    expect(job.spec?.backoffLimit).toBe(0)
  })
})

describe('uidRange', () => {
  it('is high on the host and fits a user namespace', () => {
    expect(uidRange({ image: 'x' })).toEqual([1_000_000_000, 1_999_999_999])
    expect(uidRange({ image: 'x', hostUsers: true })).toEqual([1_000_000_000, 1_999_999_999])
    expect(uidRange({ image: 'x', hostUsers: false })[1]).toBeLessThan(65_536)
    expect(uidRange({ image: 'x', hostUsers: false })[0]).toBeGreaterThan(0)
  })
})

describe('buildRecordJob', () => {
  it('never makes a pod, and is as closed as any', () => {
    const job = buildRecordJob('record-1', 'python', 60)
    expect(job.spec).toMatchObject({ completions: 0, parallelism: 0, ttlSecondsAfterFinished: 60 })
    expect(job.metadata?.labels).toEqual({ 'app.kubernetes.io/managed-by': 'runlet', 'runlet.dev/language': 'python' })
    expect(podOf(job)?.securityContext).toEqual({
      ...podOf(GOLDEN)?.securityContext,
      runAsUser: 1_000_000_000,
      runAsGroup: 1_000_000_000,
    })
  })
})
