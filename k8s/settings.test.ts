import { describe, expect, it } from 'vitest'
import { readConfig } from '../core/config.ts'
import { ApiKubernetesConfig, RunnerKubernetesConfig, SandboxSettings } from './settings.ts'

describe('SandboxSettings', () => {
  it('needs an image and nothing else', () => {
    expect(SandboxSettings.parse({ image: 'python:3' })).toEqual({ image: 'python:3' })
    expect(SandboxSettings.safeParse({}).success).toBe(false)
  })

  it.each([
    ['a name that nobody knows', { hostNetwork: true }],
    ['a quantity that is none', { tmpSize: '64 MB' }],
    ['a resource that nobody knows', { resources: { limits: { 'nvidia.com/gpu': '1' } } }],
    ['an effect that nobody knows', { tolerations: [{ effect: 'Never' }] }],
    ['a pull policy that nobody knows', { imagePullPolicy: 'Sometimes' }],
  ])('refuses %s', (_, settings) => {
    expect(SandboxSettings.safeParse({ image: 'python:3', ...settings }).success).toBe(false)
  })

  it.each(['1', '500m', '0.5', '64Mi', '1G', '128974848'])('takes the quantity %s', (cpu) => {
    expect(SandboxSettings.safeParse({ image: 'x', resources: { limits: { cpu } } }).success).toBe(true)
  })
})

describe('the variables', () => {
  it('have defaults for all but the namespace', () => {
    expect(readConfig(RunnerKubernetesConfig, { NAMESPACE: 'boxes' })).toEqual({
      NAMESPACE: 'boxes',
      RETENTION_SECONDS: 3600,
      START_DEADLINE_MS: 120_000,
      UNSCHEDULABLE_GRACE_MS: 15_000,
      RECORD_BYTES: 98_304,
      RECORDED_BYTES: 209_715_200,
      JANITOR_INTERVAL_MS: 30_000,
      JOB_EVENTS: true,
    })
    expect(readConfig(ApiKubernetesConfig, { NAMESPACE: 'boxes' })).toEqual({
      NAMESPACE: 'boxes',
      RECORD_CACHE_BYTES: 67_108_864,
    })
  })

  it.each([
    ['NAMESPACE', 'Boxes'],
    ['NAMESPACE', ''],
    ['RECORD_BYTES', String(256 * 1024)],
    ['RETENTION_SECONDS', '1h'],
  ])('refuse %s=%s', (name, value) => {
    expect(() => readConfig(RunnerKubernetesConfig, { NAMESPACE: 'boxes', [name]: value })).toThrow(name)
  })
})
