import { afterAll, beforeAll } from 'vitest'
import { explainFailures, installRelease, type Release } from '../helpers/cluster-release.ts'
import { describeAttacks } from './attacked.ts'

/** Every attack on a release of its own in the cluster of KUBECONFIG, as the chart installs it. */
let release: Release | undefined
beforeAll(async () => {
  release = await installRelease('attacks', {
    // Several attacks want company at the same time; the pods of those before them are still on their way out.
    languages: { python: { warm: 3, max: 8 }, javascript: { warm: 2, max: 6 } },
    api: { replicas: 1 },
    runner: { replicas: 1 },
  })
})
afterAll(() => release?.[Symbol.asyncDispose]())
explainFailures(() => release)

describeAttacks('cluster', () => ({
  name: 'cluster',
  atOnce: 3,
  post: async (body) => {
    const answer = await release?.ask('/api/run/', { body })
    return { status: answer?.status ?? 0, body: answer?.json() ?? {} }
  },
}))
