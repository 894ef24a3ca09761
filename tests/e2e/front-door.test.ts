import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { apply, getAll, kubectl, run } from '../helpers/cluster.ts'
import { Client } from '../helpers/cluster-client.ts'
import type { Question } from '../helpers/cluster-http.ts'
import { CHART, explainFailures, installRelease, type Release, type Values } from '../helpers/cluster-release.ts'

/**
 * A release as careful operators install it: the namespace of the sandboxes, the key of the ids and RabbitMQ are theirs. No Python is kept warm, so that it takes
 * the cold path.
 */
let release: Release
let client: Client
const sandboxesOf = (namespace: string) => `${namespace}-own`

beforeAll(async () => {
  release = await installRelease('door', { languages: { python: { warm: 0 } } }, prepare)
  client = new Client(release.ask)
})
afterAll(async () => {
  await release?.[Symbol.asyncDispose]()
  if (release) await kubectl('delete', 'namespace', sandboxesOf(release.namespace), '--wait')
})
explainFailures(() => release)

/** An external RabbitMQ (the chart's own, by itself, so that no second image is needed), two Secrets and a namespace. */
async function prepare(namespace: string): Promise<Values> {
  const only = ['--show-only', 'templates/rabbitmq.yaml', '--set', 'rabbitmq.existingSecret=broker']
  const broker = await run('helm', [
    ...['template', 'broker', CHART, '-n', namespace, '--kube-version', '1.33.0', ...only],
    ...['--set', 'nameOverride=broker,rabbitmq.persistence.enabled=false,rabbitmq.resources.requests.cpu=10m'],
  ])
  const secret = (name: string, stringData: Record<string, string>) => ({
    ...{ apiVersion: 'v1', kind: 'Secret' },
    metadata: { name, namespace },
    stringData,
  })
  const sandboxes = sandboxesOf(namespace)
  await apply(
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: sandboxes } },
    secret('broker', { password: 'not-A_secret1' }),
    secret('broker-url', { url: 'amqp://runlet:not-A_secret1@broker-rabbitmq:5672' }),
    secret('ids', { key: 'the same key for everybody who renders' }),
  )
  await run('kubectl', ['apply', '-n', namespace, '-f', '-'], { stdin: broker })
  return {
    executionIds: { existingSecret: 'ids' },
    rabbitmq: { enabled: false, existingSecret: 'broker-url' },
    sandboxes: { namespace: { create: false, name: sandboxes } },
  }
}

const json = (body: unknown): Question => ({ body })
const ok = { language: 'python', code: '' }
const manyFiles = Array.from({ length: 10_000 }, (_, index) => ({ name: `${index}`, content: '' }))
const deepName = [{ name: '../outside', content: '' }]
const rootName = [{ name: '/etc/passwd', content: '' }]

/** What is wrong, how it is sent, and what must be said of it. */
const mistakes: [what: string, question: Question, status: number, detail: RegExp][] = [
  ['no body', { method: 'POST', headers: { 'content-type': 'application/json' } }, 400, /empty/],
  ['no JSON', json('{"code": '), 400, /JSON/],
  ['another type', { body: 'code=1', headers: { 'content-type': 'text/plain' } }, 415, /json/i],
  ['an unknown language', json({ ...ok, language: 'cobol' }), 422, /python/],
  ['an unknown field', json({ ...ok, nonsense: 1 }), 422, /nonsense/],
  ['no code', json({ language: 'python' }), 422, /code/],
  ['a limit above its maximum', json({ ...ok, limits: { wallTimeMs: 10_000_000 } }), 422, /wallTimeMs.*60000/s],
  ['a NUL', json({ ...ok, stdin: 'a\0b' }), 422, /stdin.*NUL/s],
  ['a lone surrogate', json('{"language": "python", "code": "\\ud800"}'), 422, /surrogate/],
  ['a name that leaves the folder', json({ ...ok, files: deepName }), 422, /files/],
  ['a name from the root', json({ ...ok, files: rootName }), 422, /files/],
  ['10,000 files', json({ ...ok, files: manyFiles }), 422, /files/],
  ['a body above the limit', json({ ...ok, code: 'x'.repeat(5 << 20) }), 413, /bytes/],
]

describe('the Ingress', () => {
  it.each(mistakes)('passes on what is said of %s', async (_, question, status, detail) => {
    for (const path of ['/api/run/', '/api/schedule']) {
      const answer = await release.ask(path, question)
      expect([answer.status, answer.headers['content-type']]).toEqual([status, 'application/problem+json'])
      expect(answer.json()).toMatchObject({ status })
      expect(answer.text).toMatch(detail)
    }
  })

  it('passes on that a chunked body is above the limit', async () => {
    const chunks = Array.from({ length: 80 }, () => Buffer.alloc(65_536, 'x'))
    const answer = await release.ask('/api/run', { chunks, headers: { 'content-type': 'application/json' } })
    expect(answer.status).toBe(413)
  })

  it.each([
    ['a forged id', 'GET', `/api/schedule/check/${'ab'.repeat(24)}`, 404],
    ['a malformed id', 'GET', '/api/schedule/check/1', 404],
    ['an unknown path below /api', 'GET', '/api/nothing', 404],
    ['a method that the path does not take', 'DELETE', '/api/run', 405],
  ])('answers %s with a problem', async (_, method, path, status) => {
    const answer = await release.ask(path, { method })
    expect([answer.status, answer.headers['content-type']]).toEqual([status, 'application/problem+json'])
  })

  it('shows the pages and the contract', async () => {
    expect((await release.ask('/docs')).text).toMatch(/<html/i)
    expect((await release.ask('/openapi.json')).json()).toMatchObject({ openapi: expect.stringMatching(/^3\.1/) })
    const languages = (await release.ask('/api/languages')).json<{ name: string; aliases: string[] }[]>()
    expect(languages.map(({ name }) => name).sort()).toEqual(['javascript', 'python'])
  })

  it('does not lead to metrics or health', async () => {
    for (const path of ['/metrics', '/healthz', '/readyz']) expect((await release.ask(path)).status).toBe(404)
  })
})

describe('a release with a namespace, secrets and a RabbitMQ of its owner', () => {
  it('runs programs, from a cold start', async () => {
    expect(await client.run({ language: 'python', code: 'print("cold")' })).toMatchObject({ stdout: 'cold\n' })
    const id = await client.schedule({ language: 'js', code: 'console.log("later")' })
    expect(await client.finish(id)).toMatchObject({ stdout: 'later\n', status: 'succeeded' })
  })

  it('is uninstalled without touching what is not its own, and nothing goes on running', async () => {
    const sandboxes = sandboxesOf(release.namespace)
    await release.uninstall()
    const names = async (kind: string, namespace: string) =>
      (await getAll(kind, '-n', namespace)).map(({ metadata }) => metadata.name)
    expect(await names('roles,rolebindings,networkpolicies,resourcequotas,limitranges', sandboxes)).toEqual([])
    await expect
      .poll(() => getAll('pods', '-n', sandboxes, '--field-selector', 'status.phase=Running'), {
        timeout: 60_000,
        interval: 500,
      })
      .toEqual([])
    // Results stay until their time is over, as their owner's namespace does.
    const jobs = await kubectl(
      'get',
      'jobs',
      '-n',
      sandboxes,
      '-o',
      'jsonpath={.items[*].spec.ttlSecondsAfterFinished}',
    )
    expect(new Set(jobs.split(' '))).toEqual(new Set(['3600']))
    expect((await names('secrets', release.namespace)).sort()).toEqual(['broker', 'broker-url', 'ids'])
    expect(await names('statefulsets', release.namespace)).toEqual(['broker-rabbitmq'])
  })
})
