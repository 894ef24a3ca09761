import { expect, it } from 'vitest'
import { AppError } from '../core/errors.ts'
import { fakeApi } from '../tests/fakes/api.ts'
import { MemoryTracer } from '../tests/fakes/tracer.ts'

const PROGRAM = { language: 'python', code: 'print(1)' }
const parent = `00-${'b'.repeat(32)}-${'c'.repeat(16)}-01`

function arrange() {
  const tracer = new MemoryTracer()
  return { tracer, ...fakeApi({}, { tracer }) }
}

it('is a span for each request, named by its route and not by its path, in the trace of its caller', async () => {
  const { tracer, post, call, ids } = arrange()
  await post('/api/run/', PROGRAM, { traceparent: parent })
  await call(`/api/schedule/check/${ids.create(Date.parse('2026-01-31T12:00:00Z'))}`)
  await call('/api/nothing')
  const status = (code: number) => ({ 'http.response.status_code': code })
  expect(tracer.spans).toMatchObject([
    { name: 'POST /api/run', kind: 'server', parent, facts: { 'http.route': '/api/run', ...status(200) }, ended: 1 },
    { name: 'GET /api/schedule/check/:id', parent: undefined, facts: status(200), ended: 1 },
    { name: 'GET other', facts: { 'http.route': 'other', ...status(404) }, failure: undefined, ended: 1 },
  ])
})

it('has failed when the trouble was ours, not when it was the caller’s', async () => {
  const { tracer, post, publisher } = arrange()
  publisher.failure = new AppError('queue_full')
  await post('/api/schedule', PROGRAM)
  await post('/api/schedule', { ...PROGRAM, language: 'cobol' })
  expect(tracer.spans.map(({ failure }) => failure)).toEqual(['503', undefined])
})

it('leaves probes and pages alone', async () => {
  const { tracer, app } = arrange()
  for (const path of ['/healthz', '/readyz', '/openapi.json', '/docs']) await app.request(path)
  expect(tracer.spans).toEqual([])
})
