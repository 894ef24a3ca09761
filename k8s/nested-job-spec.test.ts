import { describe, expect, it } from 'vitest'
import { buildNestedJob, missingFromNestedJob } from './nested-job-spec.ts'

const nested = { slots: 4, executionsPerJob: 10, maxAgeSeconds: 60 }
const facts = { name: 'python-x1', language: 'python', runner: 'runner-a', retentionSeconds: 600 }
const job = buildNestedJob({ image: 'python:1', localhostSeccompProfile: 'mine.json', hostUsers: true }, nested, facts)

describe('buildNestedJob', () => {
  it('is root of a user namespace of its own, with four capabilities and nothing else', () => {
    const pod = job.spec?.template.spec
    expect(pod).toMatchObject({ hostUsers: false, automountServiceAccountToken: false, restartPolicy: 'Never' })
    expect(pod?.securityContext).toEqual({
      runAsNonRoot: false,
      runAsUser: 0,
      runAsGroup: 0,
      seccompProfile: { type: 'RuntimeDefault' },
    })
    expect(pod?.containers).toHaveLength(1)
    expect(pod?.containers[0]?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      procMount: 'Unmasked',
      capabilities: { drop: ['ALL'], add: ['SYS_ADMIN', 'SETUID', 'SETGID', 'KILL'] },
    })
  })

  it('has room for each of its slots, and tells the agent how many there are', () => {
    const container = job.spec?.template.spec?.containers[0]
    expect(container?.args).toEqual(['--slots', '4'])
    expect(container?.resources?.limits).toEqual({ cpu: '4', memory: '2176Mi', 'ephemeral-storage': '256Mi' })
  })
})

describe('missingFromNestedJob', () => {
  it('is nothing where the API server keeps every field, and says which it does not know', () => {
    expect(missingFromNestedJob(job)).toBeUndefined()
    const pod = job.spec?.template.spec
    const without = structuredClone(job)
    delete without.spec?.template.spec?.hostUsers
    expect(pod?.hostUsers).toBe(false)
    expect(missingFromNestedJob(without)).toMatch(/user namespaces/)
    const masked = structuredClone(job)
    delete masked.spec?.template.spec?.containers[0]?.securityContext?.procMount
    expect(missingFromNestedJob(masked)).toMatch(/procMount/)
  })
})
