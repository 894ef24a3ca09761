import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ExecutionIds } from '../../core/ids.ts'
import { LimitSettings, resolveLimits } from '../../core/limits.ts'
import { createKubeHttp } from '../../k8s/client.ts'
import { createJobProvider } from '../../k8s/sandbox-provider.ts'
import { silentLog as log } from '../fakes/local.ts'
import { kubectl } from '../helpers/cluster.ts'
import { Client } from '../helpers/cluster-client.ts'
import { explainFailures, IMAGES, installRelease, type Release } from '../helpers/cluster-release.ts'
import { goToLimit, LIMIT_CASES } from '../helpers/limit-cases.ts'

/** The limits on a cluster, for both tiers of one release. */
let release: Release
beforeAll(async () => {
  release = await installRelease('limits', {
    languages: {
      python: { warm: 2, max: 6 },
      shared: { image: IMAGES.python, tier: 'nested', nested: { slots: 3 }, warm: 3, max: 3 },
    },
    api: { replicas: 1 },
    runner: { replicas: 1 },
  })
})
afterAll(() => release[Symbol.asyncDispose]())
explainFailures(() => release)

describe.each([
  ['a Job for each execution', 'python'],
  ['a Job that executions share', 'shared'],
])('on %s, a program at its limit', (_, language) => {
  it.each(LIMIT_CASES)('of $name gets what the limit says, and the next one runs at once', async (limited) => {
    const client = new Client(release.ask)
    await goToLimit(limited, async (code, limits) => await client.run({ language, code, limits }))
  })
})

describe('a container that the kernel ends for memory, agent included', () => {
  const namespace = `e2e-oom-${randomBytes(3).toString('hex')}`
  const MEMORY = '40Mi'
  const config = {
    NAMESPACE: namespace,
    RETENTION_SECONDS: 300,
    START_DEADLINE_MS: 60_000,
    UNSCHEDULABLE_GRACE_MS: 1000,
  }
  beforeAll(async () => void (await kubectl('create', 'namespace', namespace)))
  afterAll(async () => void (await kubectl('delete', 'namespace', namespace, '--wait=false')))

  it('was out of memory, as the status of its pod says', async () => {
    using http = createKubeHttp()
    const resources = { requests: { cpu: '10m', memory: MEMORY }, limits: { cpu: '1', memory: MEMORY } }
    const languages = { python: { image: IMAGES.python, resources } }
    await using provider = createJobProvider({ http, config, languages, runner: 'oom', log, tell: () => {} })
    const sandbox = await provider.start('python', AbortSignal.timeout(60_000))
    const limits = resolveLimits(LimitSettings.parse({}))
    // The agent itself takes in more than the container may have: where only one process is killed (cgroup v1), that is the agent in the end, too.
    const id = new ExecutionIds('a key for tests only').create(Date.now())
    sandbox.send({ type: 'execute', id, code: '#'.repeat(24 << 20), stdin: '', args: [], env: {}, files: [], limits })
    expect(await sandbox.ended).toEqual({ reason: 'out_of_memory' })
    await sandbox.destroy()
  })
})
