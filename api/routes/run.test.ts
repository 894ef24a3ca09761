import { describe, expect, it } from 'vitest'
import { AppError } from '../../core/errors.ts'
import { Envelope, emptyResult } from '../../core/execution.ts'
import { fakeApi, NOW } from '../../tests/fakes/api.ts'

const program = { language: 'py', code: 'print(1)' }

describe.each(['/api/run', '/api/run/'])('POST %s', (path) => {
  it('answers with the result', async () => {
    const api = fakeApi()
    const result = { ...emptyResult('failed'), stdout: '1\n', stderr: 'oops', exitCode: 3, wallTimeMs: 12 }
    api.publisher.answer = () => ({ result })
    const { status, body, headers } = await api.post(path, program)
    expect(status).toBe(200)
    expect(body).toEqual({ id: body.id, ...result })
    expect(api.ids.verify(String(body.id))).toBe(NOW)
    expect(headers.get('server-timing')).toBeNull()
  })

  it('hands over an envelope with everything resolved, and the wait of the settings', async () => {
    const api = fakeApi({ runWaitMs: 1234 })
    const { body } = await api.post(path, { ...program, args: ['a'], limits: { wallTimeMs: 99 } })
    const [sent] = api.publisher.ran
    expect(sent?.waitMs).toBe(1234)
    expect(Envelope.parse(sent?.envelope)).toEqual(sent?.envelope)
    expect(sent?.envelope).toMatchObject({
      version: 1,
      id: body.id,
      acceptedAt: NOW,
      program: { language: 'python', code: 'print(1)', args: ['a'], limits: { wallTimeMs: 99, processes: 64 } },
    })
  })
})

describe('a run that outlasts its wait', () => {
  const overdue = () => {
    const api = fakeApi()
    api.publisher.answer = () => undefined
    return api
  }

  it('is 202 with the place to check', async () => {
    const { status, body, headers } = await overdue().post('/api/run/', program)
    expect(status).toBe(202)
    expect(body).toEqual({ id: body.id, status: 'queued' })
    expect(headers.get('location')).toBe(`/api/schedule/check/${body.id}`)
  })

  it('says that it is running when that is recorded', async () => {
    const api = overdue()
    api.records.find = async () => ({ status: 'running' })
    expect((await api.post('/api/run/', program)).body.status).toBe('running')
  })

  it('gives its result when that was recorded meanwhile', async () => {
    const api = overdue()
    const result = emptyResult('timed_out')
    api.records.find = async (id) => ({ status: 'final', record: { ...record, id, result } })
    const { status, body } = await api.post('/api/run/', program)
    expect(status).toBe(200)
    expect(body).toEqual({ id: body.id, ...result })
  })

  it('is queued when the records can not be reached', async () => {
    const api = overdue()
    api.records.failure = new AppError('store_unavailable')
    const { status, body } = await api.post('/api/run/', program)
    expect([status, body.status]).toEqual([202, 'queued'])
  })
})

describe('trouble of ours', () => {
  it.each(['queue_full', 'queue_unavailable', 'no_capacity', 'sandbox_lost', 'shutting_down'] as const)(
    '%s is 503 with Retry-After',
    async (code) => {
      const api = fakeApi()
      api.publisher.answer = () => {
        throw new AppError(code)
      }
      const { status, body, headers } = await api.post('/api/run/', program)
      expect([status, body.code]).toEqual([503, code])
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
    },
  )

  it('that nobody foresaw is 500 without a word of it', async () => {
    const api = fakeApi()
    api.publisher.answer = () => {
      throw new TypeError('x is not a function')
    }
    const { status, body } = await api.post('/api/run/', program)
    expect([status, body.code]).toEqual([500, 'internal'])
    expect(JSON.stringify(body)).not.toContain('x is not')
  })
})

describe('timings', () => {
  it('say where the time went, with the steps that the reply names', async () => {
    const api = fakeApi({ timings: true })
    api.publisher.answer = () => ({ result: emptyResult('succeeded'), timings: { claim: 0.5, execute: 3 } })
    const { headers } = await api.post('/api/run/', program)
    expect(headers.get('server-timing')).toMatch(
      /^parse;dur=\d+\.\d{3}, wait;dur=\d+\.\d{3}, claim;dur=0\.500, execute;dur=3\.000$/,
    )
  })

  it('are not shown when they are off, also when the reply has some', async () => {
    const api = fakeApi({ timings: false })
    api.publisher.answer = () => ({ result: emptyResult('succeeded'), timings: { claim: 0.5 } })
    expect((await api.post('/api/run/', program)).headers.get('server-timing')).toBeNull()
  })
})

it('counts what it hands over', async () => {
  const api = fakeApi()
  await api.post('/api/run/', program)
  await api.post('/api/run/', { language: 'cobol', code: '' })
  expect(await api.metrics.text()).toContain('runlet_executions_accepted_total{language="python",kind="run"} 1')
})

const record = {
  version: 1 as const,
  language: 'python',
  languageVersion: '3.13.5',
  acceptedAt: NOW,
  startedAt: NOW,
  finishedAt: NOW,
  digest: '',
}
