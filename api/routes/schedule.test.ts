import { describe, expect, it } from 'vitest'
import { AppError } from '../../core/errors.ts'
import { Envelope } from '../../core/execution.ts'
import { fakeApi, NOW } from '../../tests/fakes/api.ts'

const program = { language: 'js', code: 'console.log(1)' }

describe.each(['/api/schedule', '/api/schedule/'])('POST %s', (path) => {
  it('answers 202 with the place to check, once the queue has it', async () => {
    const api = fakeApi()
    const { status, body, headers } = await api.post(path, program)
    expect(status).toBe(202)
    expect(body).toEqual({ id: body.id, status: 'queued' })
    expect(headers.get('location')).toBe(`/api/schedule/check/${body.id}`)
    const [envelope] = api.publisher.scheduled
    expect(Envelope.parse(envelope)).toMatchObject({
      id: body.id,
      acceptedAt: NOW,
      program: { language: 'javascript' },
    })
    expect(await api.metrics.text()).toContain('{language="javascript",kind="schedule"} 1')
  })

  it('gives an id to each, also to equal programs', async () => {
    const api = fakeApi()
    const [one, other] = [await api.post(path, program), await api.post(path, program)]
    expect(one.body.id).not.toBe(other.body.id)
  })

  it.each(['queue_full', 'queue_unavailable'] as const)('%s is 503, and nothing counts as accepted', async (code) => {
    const api = fakeApi()
    api.publisher.failure = new AppError(code)
    const { status, body, headers } = await api.post(path, program)
    expect([status, body.code]).toEqual([503, code])
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await api.metrics.text()).not.toContain('kind="schedule"')
  })
})

it('leads to a check that knows the id', async () => {
  const api = fakeApi()
  const { headers, body } = await api.post('/api/schedule', program)
  const check = await api.call(String(headers.get('location')))
  expect([check.status, check.body]).toEqual([200, body])
})
