import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ExecutionRecord, emptyResult } from '../../core/execution.ts'
import { ExecutionIds } from '../../core/ids.ts'
import { LimitSettings, resolveLimits } from '../../core/limits.ts'
import type { Sandbox } from '../../core/ports.ts'
import { systemClock as clock } from '../../core/time.ts'
import { createKubeHttp } from '../../k8s/client.ts'
import { EventWriter } from '../../k8s/events.ts'
import { jobOf } from '../../k8s/held-job.ts'
import type { KubeHttp } from '../../k8s/http.ts'
import { createNestedProvider } from '../../k8s/nested-provider.ts'
import { createRecorder } from '../../k8s/recorder.ts'
import { silentLog as log } from '../fakes/local.ts'
import { MemoryMetrics } from '../fakes/metrics.ts'
import { eventually, kubectl } from '../helpers/cluster.ts'
import { IMAGES } from '../helpers/cluster-release.ts'

/** A Job that executions share, in a namespace of its own: what kubectl tells of it. */
const namespace = `e2e-story-${randomBytes(3).toString('hex')}`
const config = {
  ...{ NAMESPACE: namespace, NESTED_NAMESPACE: namespace, RETENTION_SECONDS: 300, RECORD_BYTES: 96 * 1024 },
  ...{ START_DEADLINE_MS: 60_000, UNSCHEDULABLE_GRACE_MS: 1000 },
}
const EXECUTIONS = 6
const nested = { slots: 2, executionsPerJob: EXECUTIONS, maxAgeSeconds: 900 }
const ids = new ExecutionIds('a key for tests only')
let http: KubeHttp

beforeAll(async () => {
  http = createKubeHttp()
  const labels = { 'pod-security.kubernetes.io/enforce': 'privileged' }
  await http.call({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: namespace, labels } } })
})
afterAll(async () => {
  await http.call({ method: 'DELETE', path: `/api/v1/namespaces/${namespace}` })
  http[Symbol.dispose]()
})

/** Runs an empty program. */
async function run(sandbox: Sandbox): Promise<ExecutionRecord> {
  const id = ids.create(Date.now())
  const startedAt = Date.now()
  const ended = new Promise<void>((resolve) => {
    sandbox.onFrame((frame) => frame.type === 'result' && resolve())
  })
  const limits = resolveLimits(LimitSettings.parse({}))
  sandbox.send({ type: 'execute', id, code: '', stdin: '', args: [], env: {}, files: [], limits })
  await ended
  const times = { acceptedAt: startedAt, startedAt, finishedAt: Date.now() }
  const result = { ...emptyResult('succeeded'), exitCode: 0 }
  return { version: 1, id, language: 'python', languageVersion: sandbox.version, ...times, digest: '', result }
}

it('is when it was warm and when it took no more, at two Events however many executions it has', async () => {
  const events = new EventWriter({ http, component: 'runlet-runner', metrics: new MemoryMetrics(), log, clock })
  const { tell } = events
  const languages = { python: { sandbox: { image: IMAGES.python }, nested } }
  const job = await (async () => {
    await using provider = createNestedProvider({ http, namespace, config, languages, runner: 'story', log, tell })
    const recorder = createRecorder({ http, config, log })
    const names = new Set<string>()
    for (let count = 0; count < EXECUTIONS; count++) {
      const sandbox = await provider.start('python', AbortSignal.timeout(60_000))
      const record = await run(sandbox)
      names.add(jobOf(sandbox)?.name ?? '')
      await recorder.record(record, sandbox)
      await sandbox.destroy()
    }
    expect(names.size).toBe(1)
    return [...names].join()
  })()
  await events[Symbol.asyncDispose]()
  const story = await eventually('its story', async () => {
    const [, found = ''] = (await kubectl('describe', 'job', job, '-n', namespace)).split(/^Events:/m)
    return found.includes('Retired') && found.split('\n').filter((line) => line.includes(' runlet-runner '))
  })
  expect(story).toEqual([
    expect.stringMatching(/Normal +Warm .* Its agent is ready, with version 3\./),
    expect.stringMatching(/Normal +Retired .* After 6 executions in \d+ s it takes no more/),
  ])
})
