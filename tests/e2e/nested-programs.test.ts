import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKubeHttp } from '../../k8s/client.ts'
import { createNestedProvider } from '../../k8s/nested-provider.ts'
import { silentLog as log } from '../fakes/local.ts'
import { apply, kubectl } from '../helpers/cluster.ts'
import { IMAGES } from '../helpers/cluster-release.ts'
import { readPrograms } from '../helpers/programs.ts'
import { asByHand, expectEnd, runByHandInPod, runInSandbox } from '../helpers/run-program.ts'

/** What programs.test.ts promises of the embedded mode, of executions that share a Job: several at a time, the bad beside the good. */
const namespace = `e2e-programs-${randomBytes(3).toString('hex')}`
const images = join(import.meta.dirname, '..', '..', 'images')
const LANGUAGES = [
  { language: 'python', folder: 'python', image: IMAGES.python },
  { language: 'javascript', folder: 'node', image: IMAGES.node },
] as const
const nested = { slots: 4, executionsPerJob: 2000, maxAgeSeconds: 900 }
const config = { RETENTION_SECONDS: 300, START_DEADLINE_MS: 60_000, UNSCHEDULABLE_GRACE_MS: 1000 }

const http = createKubeHttp()
const languages = Object.fromEntries(LANGUAGES.map(({ language, image }) => [language, { sandbox: { image }, nested }]))
const provider = createNestedProvider({ http, namespace, config, languages, runner: 'programs', log })

beforeAll(async () => {
  const labels = { 'pod-security.kubernetes.io/enforce': 'privileged' }
  await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } })
})
afterAll(async () => {
  await provider[Symbol.asyncDispose]()
  await kubectl('delete', 'namespace', namespace, '--wait=false')
  http[Symbol.dispose]()
})

/** A pod of the image in which nothing of ours runs. */
async function podOf(name: string, image: string) {
  const container = {
    ...{ name, image, imagePullPolicy: 'IfNotPresent', command: ['sleep', '900'], workingDir: '/tmp' },
    volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
    securityContext: { runAsUser: 10_001, runAsGroup: 10_001, readOnlyRootFilesystem: true },
  }
  const volumes = [{ name: 'tmp', emptyDir: { medium: 'Memory', sizeLimit: '256Mi' } }]
  const spec = { containers: [container], volumes, automountServiceAccountToken: false, enableServiceLinks: false }
  await apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace }, spec })
  await kubectl('-n', namespace, 'wait', `pod/${name}`, '--for=condition=Ready', '--timeout=60s')
  return { namespace, name, images }
}

/** Node names its process in warnings, and only in a sandbox of its own is that always the same. */
const withoutPid = <Said extends { stderr: string }>(said: Said) => ({
  ...said,
  stderr: said.stderr.replace(/\(node:\d+\)/g, '(node)'),
})

/** Some programs look at the clock: on a machine that is busy with several of them at once they may be late, by hand too. */
const retry = 2

describe.each(LANGUAGES)('$language', ({ language, folder, image }) => {
  const compared = readPrograms(language, 'compare')
  let byHand: Awaited<ReturnType<typeof runByHandInPod>>
  beforeAll(async () => {
    byHand = await runByHandInPod(await podOf(`by-hand-${language}`, image), folder, compared)
  })

  describe.concurrent('as by hand', () => {
    test.for(compared)('$name', { retry }, async (program) => {
      const ran = asByHand(await runInSandbox(provider, program))
      const plain = byHand.get(program.name)
      expect(withoutPid(ran)).toEqual({ ...(plain && withoutPid(plain)), cause: 'exited' })
    })
  })

  describe.concurrent('at its limits', () => {
    test.for(readPrograms(language, 'limits'))('$name', { retry }, async (program) => {
      expectEnd(await runInSandbox(provider, program), program.expect)
    })
  })
})
