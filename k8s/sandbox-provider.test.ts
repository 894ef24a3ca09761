import { describe, expect, it, vi } from 'vitest'
import type { Log } from '../core/log.ts'
import { FakeKube } from '../tests/fakes/kube.ts'
import type { KubeRequest } from './http.ts'
import { KubeError } from './kube-error.ts'
import { createJobProvider } from './sandbox-provider.ts'

/** Starting a sandbox on an API server in memory, where the test plays the kubelet. What needs a real stream is in tests/e2e. */
const PODS = '/api/v1/namespaces/boxes/pods'
const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent }
const config = {
  NAMESPACE: 'boxes',
  RETENTION_SECONDS: 600,
  START_DEADLINE_MS: 10_000,
  UNSCHEDULABLE_GRACE_MS: 0,
}

async function world(deadlineMs = config.START_DEADLINE_MS) {
  const kube = new FakeKube()
  const http = {
    call: <Answer>(request: KubeRequest) => kube.call<Answer>(request),
    open: (request: KubeRequest & { signal: AbortSignal }) => kube.open(request),
    socketOptions: async () => ({ url: 'ws://127.0.0.1:1', options: {} }),
  }
  const provider = createJobProvider({
    http,
    config: { ...config, START_DEADLINE_MS: deadlineMs },
    languages: { python: { image: 'python:3' } },
    runner: 'runner-1',
    log: silent,
  })
  await vi.waitFor(() => expect(kube.watching).toBe(1))
  const stop = new AbortController()
  const failure = provider.start('python', stop.signal).then(
    () => expect.fail('there is nothing to attach to'),
    (error: unknown) => error as Error,
  )
  /** The pod of the Job, as the job controller and the kubelet would show it. */
  const givePod = async (status: object, spec: object = {}) => {
    await vi.waitFor(() => expect(kube.all('jobs')).toHaveLength(1))
    const job = kube.all('jobs')[0]?.metadata.name ?? ''
    const labels = { 'runlet.dev/runner': 'runner-1', 'batch.kubernetes.io/job-name': job }
    await kube.call({ method: 'POST', path: PODS, body: { metadata: { name: `${job}-pod`, labels }, spec, status } })
    return `${PODS}/${job}-pod`
  }
  const close = () => provider[Symbol.asyncDispose]()
  return { kube, provider, failure, stop, givePod, [Symbol.asyncDispose]: close }
}

const containerIn = (state: object) => ({ containerStatuses: [{ name: 'sandbox', state }] })

describe('start', () => {
  it('creates a Job with a random name, of a uid of its own, and deletes it when its image cannot be had', async () => {
    await using run = await world()
    await run.givePod(containerIn({ waiting: { reason: 'ErrImagePull', message: 'no such image' } }))
    expect(await run.failure).toMatchObject({
      code: 'sandbox_unavailable',
      message: 'Its container cannot start: ErrImagePull: no such image',
    })
    const creation = run.kube.calls.find(({ method, path }) => method === 'POST' && path.endsWith('/jobs'))
    const pod = { spec: { template: { spec: { securityContext: { runAsUser: expect.any(Number) } } } } }
    expect(creation?.body).toMatchObject({ metadata: { name: expect.stringMatching(/^python-[a-z0-9]{10}$/) }, ...pod })
    expect(run.kube.all('jobs')).toEqual([])
  })

  it('says that no node takes the pod', async () => {
    await using run = await world()
    const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes' }
    await run.givePod({ conditions: [condition] })
    expect((await run.failure).message).toBe('No node takes its pod: 0/3 nodes')
  })

  it('looks why a pod left the watch', async () => {
    await using run = await world()
    const path = await run.givePod({ phase: 'Pending' })
    await run.kube.call({ method: 'DELETE', path })
    expect((await run.failure).message).toBe('It ended before it was ready: its pod is gone')
  })

  it('follows its own pod only', async () => {
    await using run = await world()
    const blocked = containerIn({ waiting: { reason: 'ErrImagePull' } })
    const labels = { 'runlet.dev/runner': 'runner-1', 'batch.kubernetes.io/job-name': 'python-other' }
    await run.kube.call({ method: 'POST', path: PODS, body: { metadata: { name: 'other', labels }, status: blocked } })
    await run.givePod(containerIn({ waiting: { reason: 'InvalidImageName' } }))
    expect((await run.failure).message).toContain('InvalidImageName')
  })

  it('ends with its caller, and leaves nothing', async () => {
    await using run = await world()
    await run.givePod({ phase: 'Pending' }, { nodeName: 'node' })
    run.stop.abort()
    expect(await run.failure).toMatchObject({ code: 'sandbox_unavailable', message: expect.stringMatching(/given up/) })
    expect(run.kube.all('jobs')).toEqual([])
  })

  it('ends with its deadline, and says how far it came', async () => {
    await using run = await world(50)
    await run.givePod({ phase: 'Pending' }, { nodeName: 'node' })
    expect((await run.failure).message).toMatch(/not ready within 50 ms \(its container does not run yet\)/)
    expect(run.kube.all('jobs')).toEqual([])
  })

  it('knows no language without settings', async () => {
    await using run = await world(50)
    await expect(run.provider.start('cobol', new AbortController().signal)).rejects.toThrow(/cobol/)
    await run.failure
  })
})

describe('creating the Job', () => {
  /** Answers to the attempts to create a Job, in order; `after` lets the attempt through first. */
  async function create(...answers: { error: KubeError; after?: boolean }[]) {
    const kube = new FakeKube()
    const names: string[] = []
    const call = async <Answer>(request: KubeRequest): Promise<Answer> => {
      if (request.method !== 'POST' || !request.path.endsWith('/jobs')) return await kube.call<Answer>(request)
      names.push((request.body as { metadata: { name: string } }).metadata.name)
      const next = answers.shift()
      if (!next || next.after) await kube.call(request)
      if (next) throw next.error
      return undefined as Answer
    }
    const http = {
      call,
      open: (request: KubeRequest & { signal: AbortSignal }) => kube.open(request),
      socketOptions: async () => ({ url: 'ws://127.0.0.1:1', options: {} }),
    }
    const languages = { python: { image: 'python:3' } }
    const timing = { ...config, START_DEADLINE_MS: 1000 }
    await using provider = createJobProvider({ http, config: timing, languages, runner: 'runner-1', log: silent })
    const failure = await provider.start('python', new AbortController().signal).catch((error: Error) => error)
    return { names, failure, left: kube.all('jobs') }
  }

  it('tells a refusal in the words of the API, once', async () => {
    const error = new KubeError(403, 'Forbidden', 'exceeded quota: count/jobs.batch')
    const { failure, names } = await create({ error })
    expect(failure).toMatchObject({ message: 'The sandbox could not be started: exceeded quota: count/jobs.batch' })
    expect(names).toHaveLength(1)
  })

  it('repeats under the same name, and takes it that an earlier attempt had come through', async () => {
    const error = new KubeError(0, 'Unreachable', 'the answer was lost')
    const { failure, names, left } = await create({ error, after: true })
    expect(new Set(names).size).toBe(1)
    expect(names).toHaveLength(2)
    expect(failure).toMatchObject({ message: expect.stringMatching(/no pod yet/) })
    expect(left).toEqual([])
  })
})
