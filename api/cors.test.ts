import { describe, expect, it } from 'vitest'
import { fakeApi } from '../tests/fakes/api.ts'
import { ORIGIN } from './cors.ts'

const PAGE = 'https://judge.example.com'
const preflight = (origin: string) => ({
  method: 'OPTIONS',
  headers: {
    origin,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization,content-type',
  },
})
const allowedOrigin = (headers: Headers) => headers.get('access-control-allow-origin')

describe('a page of another origin', () => {
  it('is told nothing by default: a browser keeps the answer from it', async () => {
    const { app, call } = fakeApi()
    const asked = await app.request('/api/run/', preflight(PAGE))
    expect([asked.status, allowedOrigin(asked.headers)]).toEqual([405, null])
    const { headers } = await call('/api/languages', { headers: { origin: PAGE } })
    expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
  })

  it('that is listed may ask, without a key, what it may send, and sees the answer', async () => {
    const { app, call } = fakeApi({ corsOrigins: [PAGE], apiKeys: ['a'.repeat(64)] })
    const asked = await app.request('/api/run/', preflight(PAGE))
    expect([asked.status, allowedOrigin(asked.headers)]).toEqual([204, PAGE])
    expect(asked.headers.get('access-control-allow-methods')).toBe('GET,POST')
    expect(asked.headers.get('access-control-allow-headers')).toBe('Authorization,Content-Type,traceparent')
    expect(asked.headers.get('access-control-allow-credentials')).toBeNull()
    const { status, headers } = await call('/api/languages', { headers: { origin: PAGE } })
    expect([status, allowedOrigin(headers)]).toEqual([401, PAGE])
    expect(headers.get('vary')).toMatch(/origin/i)
    expect(headers.get('access-control-expose-headers')).toContain('Retry-After')
  })

  it.each(['https://evil.example.com', 'https://judge.example.com.evil.com', 'http://judge.example.com', 'null'])(
    'that is not listed is told nothing: %s',
    async (origin) => {
      const { app, call } = fakeApi({ corsOrigins: [PAGE] })
      expect(allowedOrigin((await app.request('/api/run/', preflight(origin))).headers)).toBeNull()
      expect(allowedOrigin((await call('/api/languages', { headers: { origin } })).headers)).toBeNull()
    },
  )

  it('may be any, where the operator says so', async () => {
    const { call } = fakeApi({ corsOrigins: ['*'] })
    expect(allowedOrigin((await call('/api/languages', { headers: { origin: PAGE } })).headers)).toBe('*')
  })

  it('sees problems too', async () => {
    const { call } = fakeApi({ corsOrigins: [PAGE] })
    const { status, headers } = await call('/api/schedule/check/abc', { headers: { origin: PAGE } })
    expect([status, allowedOrigin(headers)]).toEqual([404, PAGE])
  })
})

describe('an origin', () => {
  it.each(['*', PAGE, 'http://localhost:3000', 'http://[::1]:8080'])('is %s', (text) => expect(text).toMatch(ORIGIN))
  it.each(['https://judge.example.com/', 'judge.example.com', 'https://*.example.com', 'https://a b', 'null'])(
    'is not %s',
    (text) => expect(text).not.toMatch(ORIGIN),
  )
})
