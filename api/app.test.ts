import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fakeApi } from '../tests/fakes/api.ts'
import { Problem } from './problem.ts'

describe('an unknown path', () => {
  it.each(['/', '/api', '/api/', '/api/runs', '/api/schedule/check', '/api/run/x', '/%00', '/<script>', '/API/RUN'])(
    '%s is 404',
    async (path) => {
      const { status, body, headers } = await fakeApi().call(path)
      expect([status, Problem.parse(body).code]).toEqual([404, 'not_found'])
      expect(headers.get('content-type')).toBe('application/problem+json')
      expect(JSON.stringify(body)).not.toContain('script')
    },
  )
})

describe('another method', () => {
  it.each([
    ['GET', '/api/run/', 'POST'],
    ['HEAD', '/api/run', 'POST'],
    ['PUT', '/api/run', 'POST'],
    ['OPTIONS', '/api/run', 'POST'],
    ['DELETE', '/api/schedule/', 'POST'],
    ['GET', '/api/schedule', 'POST'],
    ['POST', '/api/languages', 'GET, HEAD'],
    ['PATCH', '/healthz', 'GET, HEAD'],
    ['POST', '/openapi.json', 'GET, HEAD'],
    ['POST', '/docs', 'GET, HEAD'],
    ['DELETE', '/api/schedule/check/abc', 'GET, HEAD'],
    ['BREW', '/api/run', 'POST'],
  ])('%s %s is 405 with Allow: %s', async (method, path, allow) => {
    const response = await fakeApi().app.request(path, { method })
    expect([response.status, response.headers.get('allow')]).toEqual([405, allow])
    if (method !== 'HEAD') expect(Problem.parse(await response.json()).code).toBe('method_not_allowed')
  })

  it.each(['/api/languages', '/healthz', '/openapi.json', '/docs'])('HEAD %s is GET without a body', async (path) => {
    const response = await fakeApi().app.request(path, { method: 'HEAD' })
    expect([response.status, await response.text()]).toEqual([200, ''])
  })
})

describe('every answer', () => {
  const paths = ['/api/run', '/api/languages', '/nothing', '/healthz', '/openapi.json', '/docs', '/docs/swagger-ui.css']

  it.each(paths)('of %s has the headers that keep browsers away from mischief', async (path) => {
    const { headers } = await fakeApi().app.request(path)
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/)
    expect(headers.get('x-frame-options')).toBe('DENY')
    expect(headers.get('referrer-policy')).toBe('no-referrer')
    expect(headers.get('cross-origin-resource-policy')).toBe('same-origin')
  })

  it.each(paths)('of %s opens nothing to another origin', async (path) => {
    const init = { headers: { origin: 'https://evil.example' } }
    const { headers } = await fakeApi().app.request(path, init)
    expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
  })

  it('of the API is kept by no cache', async () => {
    const api = fakeApi()
    const answers = [
      await api.post('/api/run/', { language: 'py', code: '' }),
      await api.post('/api/run/', {}),
      await api.call(`/api/schedule/check/${api.ids.create(0)}`),
    ]
    expect(answers.map(({ headers }) => headers.get('cache-control'))).toEqual(['no-store', 'no-store', 'no-store'])
  })
})

describe('a body that is wrong', () => {
  const program = { language: 'python', code: '' }

  it.each([
    ['nothing', '', 400, 'malformed_json'],
    ['half an object', '{"language":', 400, 'malformed_json'],
    ['no JSON', 'print(1)', 400, 'malformed_json'],
    ['a list', '[]', 422, 'invalid_request'],
    ['another type of field', JSON.stringify({ ...program, code: 1 }), 422, 'invalid_request'],
    ['an unknown language', JSON.stringify({ ...program, language: 'cobol' }), 422, 'invalid_request'],
    ['an unknown field', JSON.stringify({ ...program, cod: '' }), 422, 'invalid_request'],
    ['too many bytes', JSON.stringify({ ...program, code: 'x'.repeat(5_000_000) }), 413, 'body_too_large'],
  ])('%s', async (_what, text, status, code) => {
    for (const path of ['/api/run/', '/api/schedule']) {
      const api = fakeApi()
      const { body, ...answer } = await api.post(path, text)
      expect([answer.status, Problem.parse(body).code]).toEqual([status, code])
      expect([...api.publisher.ran, ...api.publisher.scheduled]).toEqual([])
    }
  })

  it('names every field that is wrong, with what it must be', async () => {
    const { body } = await fakeApi().post('/api/run/', {
      language: 'cobol',
      code: 'a\0',
      limits: { wallTimeMs: 60_001 },
      files: [{ name: '../x', content: '' }],
      more: 1,
    })
    expect(Problem.parse(body).errors).toEqual([
      { field: 'language', message: 'must be one of: python, py, python3, javascript, js, node' },
      { field: 'code', message: expect.stringContaining('NUL') },
      { field: 'files[0].name', message: 'must not contain .. as a folder' },
      { field: 'limits.wallTimeMs', message: 'must be at most 60000, the maximum of this server' },
      { field: 'more', message: 'is not a known field' },
    ])
  })
})

describe('metrics', () => {
  it('count by route, method and code, with labels from a closed set', async () => {
    const api = fakeApi()
    await api.post('/api/run/', { language: 'py', code: '' })
    await api.post('/api/run', {})
    await api.call('/api/run')
    await api.call(`/api/schedule/check/${api.ids.create(0)}`)
    await api.call('/nothing/here')
    await api.app.request('/nothing', { method: 'BREW' })
    const text = await api.metrics.text()
    const counted = text.match(/(?<=runlet_http_requests_total)\{.*/g)
    expect(counted?.sort()).toEqual([
      '{route="/api/run",method="GET",code="405"} 1',
      '{route="/api/run",method="POST",code="200"} 1',
      '{route="/api/run",method="POST",code="422"} 1',
      '{route="/api/schedule/check/:id",method="GET",code="410"} 1',
      '{route="other",method="GET",code="404"} 1',
      '{route="other",method="other",code="404"} 1',
    ])
    expect(text).toContain('runlet_http_request_seconds_count{route="/api/run"} 3')
  })
})

describe('whatever is sent', () => {
  const api = fakeApi()
  const almost = fc.record(
    {
      language: fc.oneof(fc.constant('python'), fc.jsonValue()),
      code: fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue()),
      stdin: fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue()),
      args: fc.oneof(fc.array(fc.string()), fc.jsonValue()),
      env: fc.oneof(fc.dictionary(fc.string(), fc.string()), fc.jsonValue()),
      files: fc.oneof(fc.array(fc.record({ name: fc.string(), content: fc.string() })), fc.jsonValue()),
      limits: fc.oneof(fc.dictionary(fc.constantFrom('wallTimeMs', 'processes'), fc.double()), fc.jsonValue()),
    },
    { requiredKeys: ['language', 'code'] },
  )

  it('as JSON gives what is declared and is never our fault', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(almost, fc.jsonValue()),
        fc.constantFrom('/api/run/', '/api/schedule'),
        async (body, path) => {
          const { status } = await api.post(path, JSON.stringify(body))
          expect([200, 202, 422]).toContain(status)
        },
      ),
      { numRuns: 300 },
    )
  })

  it('as bytes gives what is declared and is never our fault', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array(), fc.constantFrom('application/json', 'text/plain', ''), async (bytes, type) => {
        const init = { method: 'POST', body: Buffer.from(bytes), headers: { 'content-type': type } }
        expect([400, 415, 422]).toContain((await api.call('/api/run', init)).status)
      }),
      { numRuns: 300 },
    )
  })

  it('as an id or a wait gives what is declared and is never our fault', async () => {
    const text = fc.string({ unit: 'binary' }).filter((value) => value.isWellFormed() && !/^\.{1,2}$/.test(value))
    await fc.assert(
      fc.asyncProperty(text, text, async (id, wait) => {
        const path = `/api/schedule/check/${encodeURIComponent(id)}?wait=${encodeURIComponent(wait)}`
        expect([404, 422]).toContain((await api.call(path)).status)
      }),
      { numRuns: 300 },
    )
  })
})
