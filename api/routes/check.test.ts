import { describe, expect, it } from 'vitest'
import { AppError } from '../../core/errors.ts'
import { type ExecutionRecord, emptyResult } from '../../core/execution.ts'
import { ExecutionIds } from '../../core/ids.ts'
import { fakeApi, NOW } from '../../tests/fakes/api.ts'

const SECOND = 1000

function recordOf(id: string, more: Partial<ExecutionRecord> = {}): ExecutionRecord {
  return {
    version: 1,
    id,
    language: 'python',
    languageVersion: '3.13.5',
    acceptedAt: NOW - 3 * SECOND,
    startedAt: NOW - 2 * SECOND,
    finishedAt: NOW - SECOND,
    digest: 'd',
    result: { ...emptyResult('succeeded'), stdout: '1\n', exitCode: 0 },
    ...more,
  }
}

/** An API that made an execution `ageSeconds` ago. */
function withExecution(ageSeconds = 0, ...options: Parameters<typeof fakeApi>) {
  const api = fakeApi(...options)
  const id = api.ids.create(NOW - ageSeconds * SECOND)
  const finish = (more?: Partial<ExecutionRecord>) =>
    api.records.known.set(id, { status: 'final', record: recordOf(id, more) })
  return { ...api, id, finish, path: `/api/schedule/check/${id}` }
}

describe('GET /api/schedule/check/{id}', () => {
  it.each(['', '/'])('gives the result and its times (with "%s" at the end)', async (slash) => {
    const api = withExecution()
    api.finish()
    const { status, body } = await api.call(`${api.path}${slash}`)
    expect(status).toBe(200)
    expect(body).toEqual({
      id: api.id,
      ...emptyResult('succeeded'),
      stdout: '1\n',
      exitCode: 0,
      language: 'python',
      languageVersion: '3.13.5',
      acceptedAt: '2026-01-31T11:59:57.000Z',
      startedAt: '2026-01-31T11:59:58.000Z',
      finishedAt: '2026-01-31T11:59:59.000Z',
    })
  })

  it('says of an execution without a sandbox that it never started', async () => {
    const api = withExecution()
    api.finish({ startedAt: null, languageVersion: null, result: emptyResult('lost') })
    expect((await api.call(api.path)).body).toMatchObject({ status: 'lost', startedAt: null, languageVersion: null })
  })

  it.each(['queued', 'running'] as const)('says that it is %s', async (status) => {
    const api = withExecution()
    api.records.known.set(api.id, { status })
    const answer = await api.call(api.path)
    expect([answer.status, answer.body]).toEqual([200, { id: api.id, status }])
  })

  it.each([
    ['malformed', () => 'abc'],
    ['of zeros', () => '0'.repeat(48)],
    ['forged', (id: string) => id.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'))],
    ['upper-case', (id: string) => id.toUpperCase().replace(/^0/, 'A')],
    ['of another installation', () => new ExecutionIds('a key of another place').create(NOW)],
    ['with bytes that are no text', () => '%ff%00'],
  ])('does not know an id that is %s', async (_what, forge) => {
    const api = withExecution()
    const { status, body } = await api.call(`/api/schedule/check/${forge(api.id)}`)
    expect([status, body.code]).toEqual([404, 'execution_unknown'])
    expect(api.records.lookups).toEqual([])
  })

  it('tells 503 when the records can not be reached', async () => {
    const api = withExecution()
    api.records.failure = new AppError('store_unavailable')
    const { status, body, headers } = await api.call(api.path)
    expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'store_unavailable', '1'])
  })
})

describe('after the retention time', () => {
  it('is 410 when nothing is recorded', async () => {
    const api = withExecution(3601)
    expect((await api.call(api.path)).body).toMatchObject({ status: 410, code: 'execution_expired' })
  })

  it('is queued while it may still be on its way: the queue is longer than that', async () => {
    const api = fakeApi({ retentionSeconds: 60 })
    const id = api.ids.create(NOW - 3_600_000)
    api.publisher.held.add(id)
    expect((await api.call(`/api/schedule/check/${id}`)).body).toEqual({ id, status: 'queued' })
    api.publisher.held.delete(id)
    expect((await api.call(`/api/schedule/check/${id}`)).status).toBe(410)
  })

  it('is queued up to the last second', async () => {
    const api = withExecution(3600)
    expect((await api.call(api.path)).body).toEqual({ id: api.id, status: 'queued' })
  })

  it('gives what is still there', async () => {
    const api = withExecution(7200)
    api.finish()
    expect((await api.call(api.path)).body.status).toBe('succeeded')
    api.records.known.set(api.id, { status: 'running' })
    expect((await api.call(api.path)).body.status).toBe('running')
  })

  it('is 410 when the records say so', async () => {
    const api = withExecution()
    api.records.failure = new AppError('execution_expired')
    expect((await api.call(api.path)).status).toBe(410)
  })
})

describe('?wait=', () => {
  it.each([
    ['', 0],
    ['?wait=0', 0],
    ['?wait=2', 2000],
    ['?wait=0.25', 250],
    ['?wait=60', 60_000],
    ['?other=1', 0],
  ])('"%s" waits %i ms', async (query, waitMs) => {
    const api = withExecution()
    api.finish()
    expect((await api.call(`${api.path}/${query}`)).status).toBe(200)
    expect(api.records.lookups).toEqual([{ id: api.id, waitMs }])
  })

  it.each(['-1', '61', '60.001', 'x', '', '1e2', '1e', '0x10', ' 1', 'NaN', '1&wait=2'])(
    '"%s" is 422',
    async (wait) => {
      const api = withExecution()
      const { status, body } = await api.call(`${api.path}?wait=${wait}`)
      expect([status, body.errors]).toEqual([422, [{ field: 'wait', message: expect.stringContaining('must be') }]])
    },
  )

  it('has the maximum of the settings', async () => {
    const api = withExecution(0, { maxCheckWaitMs: 5000 })
    expect((await api.call(`${api.path}?wait=6`)).body.errors).toEqual([
      { field: 'wait', message: 'must be at most 5' },
    ])
  })

  it('is cut short when the server drains, with what is known then', async () => {
    const drain = new AbortController()
    const api = withExecution(0, {}, { draining: drain.signal })
    const answer = api.call(`${api.path}?wait=60`)
    drain.abort()
    expect((await answer).body).toEqual({ id: api.id, status: 'queued' })
    expect((await api.call(`${api.path}?wait=60`)).status).toBe(200)
    expect(api.records.lookups.map(({ waitMs }) => waitMs).at(-1)).toBe(0)
  })

  it('is cut short when the caller goes away', async () => {
    const caller = new AbortController()
    const api = withExecution()
    const answer = api.call(`${api.path}?wait=60`, { signal: caller.signal })
    caller.abort()
    expect((await answer).status).toBe(200)
  })

  it('does not take a failure for the end of the wait', async () => {
    const api = withExecution()
    api.records.failure = new AppError('store_unavailable')
    expect((await api.call(`${api.path}?wait=1`)).status).toBe(503)
  })
})
