import { describe, expect, it } from 'vitest'
import { renderChart } from '../helpers/chart-render.ts'

/** What bounds the namespaces of the sandboxes, as it renders: needs helm, and no cluster. That it holds is tested in policies.test.ts. */
interface Manifest {
  kind: string
  metadata: { name: string; namespace?: string }
  spec: { variables?: { name: string; expression: string }[] }
}

describe('the namespaces of the sandboxes', () => {
  const nested = { tier: 'nested', nested: { slots: 6 } }

  it('bound what one container may have, where it runs several executions for each of them', async () => {
    const max = { cpu: '500m', memory: '1.5Gi', 'ephemeral-storage': 1_000_000_000 }
    const manifests = await renderChart<Manifest>({ languages: { python: nested }, sandboxes: { limitRange: { max } } })
    const ranges = manifests.filter(({ kind }) => kind === 'LimitRange')
    expect(ranges.map(({ metadata, spec }) => [metadata.namespace, spec])).toEqual([
      ['runlet-sandboxes-nested', limitsOf({ cpu: '3000m', memory: '9Gi', 'ephemeral-storage': '6000000000' })],
      ['runlet-sandboxes', limitsOf(max)],
    ])
  })

  const limitsOf = (max: object) => ({ limits: [{ type: 'Container', max }] })

  it.each([
    ['python', 'python'],
    ['registry.test:5000/team/python:3.14', 'registry.test:5000/team/python'],
    ['registry.test/python:3@sha256:0123456789abcdef', 'registry.test/python'],
  ])('admit %s as %s of any version', async (image, repository) => {
    const manifests = await renderChart<Manifest>({
      image: { tag: '7' },
      languages: { python: { image }, javascript: null },
    })
    const policies = manifests.filter(({ kind }) => kind === 'ValidatingAdmissionPolicy')
    const policy = policies.find(({ metadata }) => metadata.name === 'runlet-sandboxes-pods')
    const repositories = policy?.spec.variables?.find(({ name }) => name === 'repositories')?.expression
    expect(JSON.parse(repositories ?? '')).toEqual({ python: repository })
  })

  it('have no admission policies where helm may make none', async () => {
    const kinds = (await renderChart<Manifest>({ sandboxes: { admissionPolicy: false } })).map(({ kind }) => kind)
    expect(kinds.filter((kind) => kind.startsWith('ValidatingAdmission'))).toEqual([])
    expect(
      (await renderChart<Manifest>()).filter(({ kind }) => kind === 'ValidatingAdmissionPolicyBinding'),
    ).toHaveLength(3)
  })
})
