import { afterAll, beforeAll } from 'vitest'
import { explainFailures, IMAGES, installRelease, type Release } from '../helpers/cluster-release.ts'
import { describeAttacks } from './attacked.ts'

/** What a tier may have of a small machine: sandboxes that wait, sandboxes at most, attacks at the same time. */
export interface Room {
  python: object
  javascript: object
  bash: object
  atOnce: number
}

/** Every attack on a release of its own in the cluster of KUBECONFIG, as the chart installs it, all languages on one tier. */
export function describeTier(name: string, { atOnce, python, javascript, bash }: Room): void {
  let release: Release | undefined
  beforeAll(async () => {
    release = await installRelease(`attacks-${name}`, {
      languages: { python, javascript, bash: { image: IMAGES.bash, ...bash } },
      api: { replicas: 1 },
      runner: { replicas: 1 },
    })
  })
  afterAll(() => release?.[Symbol.asyncDispose]())
  explainFailures(() => release)

  describeAttacks(name, () => ({
    name,
    atOnce,
    post: async (body) => {
      const answer = await release?.ask('/api/run/', { body })
      return { status: answer?.status ?? 0, body: answer?.json() ?? {} }
    },
  }))
}
