import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type ExecutionRecord, emptyResult } from '../../core/execution.ts'
import type { AgentFrame, ResultFrame } from '../../core/frames.ts'
import { ExecutionIds } from '../../core/ids.ts'
import type { Log } from '../../core/log.ts'
import type { Sandbox, SandboxProvider } from '../../core/ports.ts'
import { systemClock } from '../../core/time.ts'
import { createKubeHttp, missingPermissions } from '../../k8s/client.ts'
import { EventWriter } from '../../k8s/events.ts'
import type { KubeHttp } from '../../k8s/http.ts'
import { removeEverything, removeOrphans } from '../../k8s/janitor.ts'
import { Jobs } from '../../k8s/jobs.ts'
import { recordPatch } from '../../k8s/record.ts'
import { createRecorder } from '../../k8s/recorder.ts'
import { type WatchedRecords, watchRecords } from '../../k8s/records.ts'
import { RunnerLease, RunnerLife } from '../../k8s/runner-lease.ts'
import { createJobProvider } from '../../k8s/sandbox-provider.ts'
import { MemoryMetrics } from '../fakes/metrics.ts'
import { kubectl } from '../helpers/cluster.ts'

/** The provider, the recorder and the records on a real API server, in a namespace of their own under the restricted standard. Needs KUBECONFIG and the image. */
const IMAGE = process.env.SANDBOX_IMAGE_PYTHON ?? 'runlet/python:dev'
const NAMESPACE = `runlet-provider-${Math.random().toString(36).slice(2, 8)}`
const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent }
const ids = new ExecutionIds('0123456789abcdef')
const config = {
  NAMESPACE,
  RETENTION_SECONDS: 300,
  START_DEADLINE_MS: 60_000,
  UNSCHEDULABLE_GRACE_MS: 1000,
  RECORD_BYTES: 96 * 1024,
  RECORD_CACHE_BYTES: 1024 * 1024,
}
const languages = {
  python: { image: IMAGE },
  userns: { image: IMAGE, hostUsers: false },
  missing: { image: 'runlet/missing:none', imagePullPolicy: 'Never' as const },
  huge: { image: IMAGE, resources: { requests: { cpu: '9999' }, limits: { cpu: '9999' } } },
  wrong: { image: IMAGE, priorityClassName: 'runlet-no-such-class' },
}
const limits = {
  wallTimeMs: 10_000,
  cpuTimeMs: 10_000,
  memoryBytes: 128 * 1024 * 1024,
  outputBytes: 64 * 1024,
  processes: 64,
  openFiles: 256,
  fileSizeBytes: 1024 * 1024,
}

let http: KubeHttp
let provider: SandboxProvider & AsyncDisposable
let records: WatchedRecords
let events: EventWriter

beforeAll(async () => {
  http = createKubeHttp()
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' }
  await http.call({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: NAMESPACE, labels } } })
  const metrics = new MemoryMetrics()
  events = new EventWriter({ http, component: 'runlet-runner', metrics, log: silent, clock: systemClock })
  const { tell } = events
  provider = createJobProvider({ http, config, languages, runner: 'Test-Runner.1', log: silent, tell })
  records = watchRecords({ http, config, log: silent })
  await vi.waitFor(() => expect(records.synced).toBe(true), { timeout: 10_000 })
})

afterAll(async () => {
  await provider[Symbol.asyncDispose]()
  await events[Symbol.asyncDispose]()
  await records[Symbol.asyncDispose]()
  await http.call({ method: 'DELETE', path: `/api/v1/namespaces/${NAMESPACE}` })
  http[Symbol.dispose]()
})

const start = (language: string) => provider.start(language, AbortSignal.timeout(60_000))
const recorder = () => createRecorder({ http, config, log: silent })
const labelsOf = async (name: string) => (await new Jobs(http, NAMESPACE).get(name))?.metadata.labels

/** Runs a program and joins what it wrote. */
async function run(sandbox: Sandbox, id: string, code: string): Promise<{ output: string; result: ResultFrame }> {
  let output = ''
  const result = new Promise<ResultFrame>((resolve, reject) => {
    sandbox.onFrame((frame: AgentFrame) => {
      if (frame.type === 'output') output += Buffer.from(frame.data, frame.encoding).toString()
      if (frame.type === 'result') resolve(frame)
    })
    void sandbox.ended.then((end) => {
      if (end.reason !== 'finished') reject(new Error(JSON.stringify(end)))
    })
  })
  sandbox.send({ type: 'execute', id, code, stdin: '', args: [], env: {}, files: [], limits })
  return { result: await result, output }
}

function recordOf(id: string, startedAt = 2): ExecutionRecord {
  const result = { ...emptyResult('succeeded'), stdout: '1\n', exitCode: 0 }
  const times = { acceptedAt: startedAt - 1, startedAt, finishedAt: startedAt + 1 }
  return { version: 1, id, language: 'python', languageVersion: null, ...times, digest: '', result }
}

describe('a sandbox', () => {
  it('runs a program, and its Job holds the record', async () => {
    const sandbox = await start('python')
    const id = ids.create(Date.now())
    expect(sandbox.version).toMatch(/^3\./)
    const { output, result } = await run(sandbox, id, 'print(1)')
    expect(output).toBe('1\n')
    expect(result).toMatchObject({ id, cause: 'exited', exitCode: 0 })
    const waiting = records.find(id, 10_000)
    // Of just now: a sandbox takes the record of an execution that nobody else can have begun meanwhile.
    const record = recordOf(id, Date.now())
    await recorder().record(record, sandbox)
    await sandbox.destroy()
    expect(await waiting).toEqual({ status: 'final', record })
    expect(await recorder().takeOver(id)).toBe(true)
    expect(await labelsOf(sandbox.name)).toMatchObject({
      'runlet.dev/state': 'finished',
      'runlet.dev/execution-id': id,
      'runlet.dev/status': 'succeeded',
      'runlet.dev/language': 'python',
      'runlet.dev/runner': 'Test-Runner.1',
    })
    // Its story, below what the controller says of its pod.
    await vi.waitFor(async () => {
      const story = (await kubectl('describe', 'job', sandbox.name, '-n', NAMESPACE)).split(/^Events:/m)[1] ?? ''
      expect(story).toMatch(/Normal +Warm .* runlet-runner +Its agent is ready, with version 3\./)
      expect(story).toMatch(
        /Normal +Finished .* runlet-runner +The execution [0-9a-f]{48} ended after \d+ ms: succeeded, exit code 0/,
      )
      expect(story).toContain(id)
    }, 10_000)
  })

  it('says that it is warm and that it runs, and leaves nothing when it is destroyed without a record', async () => {
    const sandbox = await start('python')
    const state = async () => (await labelsOf(sandbox.name))?.['runlet.dev/state']
    await vi.waitFor(async () => expect(await state()).toBe('warm'))
    const id = ids.create(Date.now())
    await recorder().markRunning(id, sandbox)
    expect(await records.find(id, 200)).toEqual({ status: 'running' })
    await sandbox.destroy()
    expect(await labelsOf(sandbox.name)).toBeUndefined()
    // A watch tells it a moment later.
    await vi.waitFor(async () => expect(await records.find(id, 0)).toEqual({ status: 'queued' }))
  })

  it('is closed: nothing of the cluster inside, and no way around the limits of the disk', async () => {
    const sandbox = await start('userns')
    const code = `
import os
def attempt(path):
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT)); return 'written'
    except OSError as error: return type(error).__name__
print([attempt(path) for path in ('/root/termination-log', '/dev/termination-log', '/etc/x', '/x')])
print([name for name in os.environ if 'KUBERNETES' in name or 'SERVICE' in name], os.path.exists('/var/run/secrets'))
print(os.getuid() >= 10000, open('/etc/resolv.conf').read().split(), os.statvfs('/tmp').f_blocks * os.statvfs('/tmp').f_frsize)
print(os.statvfs('/dev/shm').f_blocks * os.statvfs('/dev/shm').f_frsize)
`
    const { output } = await run(sandbox, ids.create(Date.now()), code)
    const [files, environment, identity, sharedMemory] = output.split('\n')
    expect(files).not.toContain('written')
    expect(environment).toBe('[] False')
    expect(identity).toBe(`True ['nameserver', '127.0.0.1'] ${128 * 1024 * 1024}`)
    expect(sharedMemory).toBe(String(16 * 1024 * 1024))
    await sandbox.destroy()
  })

  it('is lost when somebody deletes its Job, and the record finds a place nevertheless', async () => {
    const sandbox = await start('python')
    const id = ids.create(Date.now())
    const running = run(sandbox, id, 'import time; time.sleep(30)').catch((error: Error) => error)
    await new Jobs(http, NAMESPACE).delete(sandbox.name)
    expect(await sandbox.ended).toMatchObject({ reason: 'lost' })
    await running
    await recorder().record(recordOf(id), sandbox)
    await sandbox.destroy()
    expect(await records.find(id, 10_000)).toEqual({ status: 'final', record: recordOf(id) })
  })
})

describe('a sandbox that cannot start says why', () => {
  it.each([
    ['missing', 'sandbox_unavailable', /ErrImageNeverPull/],
    ['huge', 'no_capacity', /No node takes its pod: .*Insufficient cpu/],
    ['wrong', 'sandbox_unavailable', /no PriorityClass/],
    ['unheard', 'sandbox_unavailable', /no settings/],
  ])('%s', async (language, code, words) => {
    const failure = await start(language).catch((error: Error) => error)
    expect(failure).toMatchObject({ code, message: expect.stringMatching(words) })
    const left = []
    for await (const job of new Jobs(http, NAMESPACE).list(`runlet.dev/language=${language}`)) left.push(job)
    expect(left).toEqual([])
  })
})

describe('records', () => {
  it('of several executions may be on one Job', async () => {
    const [first, second] = [ids.create(Date.now()), ids.create(Date.now())]
    await recorder().record(recordOf(first))
    await new Jobs(http, NAMESPACE).patch(`record-${first}`, recordPatch(recordOf(second), config.RECORD_BYTES))
    for (const id of [first, second]) {
      expect(await records.find(id, 10_000)).toEqual({ status: 'final', record: recordOf(id) })
    }
  })

  it('without a sandbox make no pod and go when their time is over', async () => {
    const id = ids.create(Date.now())
    const short = createRecorder({ http, config: { ...config, RETENTION_SECONDS: 1 }, log: silent })
    await short.record(recordOf(id))
    await short.record(recordOf(id))
    expect(await records.find(id, 10_000)).toMatchObject({ status: 'final' })
    await vi.waitFor(() => expect(records.find(id, 0)).rejects.toMatchObject({ code: 'execution_expired' }), {
      timeout: 20_000,
      interval: 200,
    })
    const { items } = await http.call<{ items: unknown[] }>({
      path: `/api/v1/namespaces/${NAMESPACE}/pods`,
      query: { labelSelector: `batch.kubernetes.io/job-name=record-${id}` },
    })
    expect(items).toEqual([])
  })

  it('of the largest size fit', async () => {
    const id = ids.create(Date.now())
    const record = recordOf(id)
    const result = { ...record.result, stdout: '\0'.repeat(1_000_000), stderr: '"'.repeat(1_000_000) }
    await recorder().record({ ...record, result })
    const found = await records.find(id, 10_000)
    expect(found).toMatchObject({ status: 'final', record: { result: { truncated: true } } })
  })
})

describe('what is left over', () => {
  it('of a runner without a lease is removed, of a living one it stays', async () => {
    await using _ = await RunnerLease.hold({ http, namespace: NAMESPACE, runner: 'Test-Runner.1', log: silent })
    const sandbox = await start('python')
    let offsetMs = 0
    const life = new RunnerLife({ monotonic: () => performance.now() + offsetMs })
    const janitor = { http, config: { ...config, RECORDED_BYTES: 1, JANITOR_INTERVAL_MS: 1 }, log: silent }
    for (const elapsedMs of [0, 50_000, 70_000]) {
      offsetMs = elapsedMs
      await removeOrphans(janitor, life)
      expect(await labelsOf(sandbox.name)).toBeDefined()
    }
    offsetMs = 100_000
    await removeOrphans(janitor, life)
    expect(await labelsOf(sandbox.name)).toBeUndefined()
    await sandbox.destroy()
  })
})

describe('the connection', () => {
  it('is one for many calls', async () => {
    const before = http.connectionsOpened
    for (let count = 0; count < 50; count++) await recorder().takeOver(ids.create(Date.now()))
    expect(http.connectionsOpened - before).toBeLessThanOrEqual(1)
  })

  it('may do all that it must, as an administrator’s', async () => {
    expect(await missingPermissions(http, 'runner', NAMESPACE)).toEqual([])
    expect(await missingPermissions(http, 'api', NAMESPACE)).toEqual([])
  })
})

describe('in the end', () => {
  it('a quota that leaves no room is told in its own words', async () => {
    const quota = { metadata: { name: 'none' }, spec: { hard: { pods: '0' } } }
    await http.call({ method: 'POST', path: `/api/v1/namespaces/${NAMESPACE}/resourcequotas`, body: quota })
    const failure = await start('python').catch((error: Error) => error)
    expect(failure).toMatchObject({ message: expect.stringMatching(/Its pod was refused: .*exceeded quota/) })
  })

  it('what went wrong is told also of Jobs that are gone', async () => {
    await vi.waitFor(async () => {
      const told = await kubectl('get', 'events', '-n', NAMESPACE, '--field-selector', 'type=Warning')
      expect(told).toMatch(/NotStarted .*Its pod was refused: .*exceeded quota/)
      expect(told).toMatch(/ Lost .*job/)
    }, 10_000)
  })

  it('everything can be removed', async () => {
    expect(await removeEverything(http, NAMESPACE)).toBeGreaterThan(0)
    const left = []
    for await (const job of new Jobs(http, NAMESPACE).list('')) left.push(job)
    expect(left).toEqual([])
  })
})
