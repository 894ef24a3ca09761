import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { fakeApi } from '../tests/fakes/api.ts'

const hashOf = (key: string) => createHash('sha256').update(key).digest('hex')
const api = fakeApi({ apiKeys: [hashOf('first'), hashOf('second')] })
const asking = (authorization: string) => api.call('/api/languages', { headers: { authorization } })

describe('with API keys', () => {
  it.each(['Bearer first', 'Bearer second', 'bearer first', 'Bearer  first '])(
    'lets pass %j',
    async (authorization) => {
      expect((await asking(authorization)).status).toBe(200)
    },
  )

  it.each([
    '',
    'Bearer',
    'Bearer ',
    'Bearer third',
    'Bearer First',
    'Basic first',
    'first',
    `Bearer ${hashOf('first')}`,
  ])('refuses %j', async (authorization) => {
    const { status, headers, body } = await asking(authorization)
    expect(status).toBe(401)
    expect(body.code).toBe('unauthorized')
    expect(headers.get('www-authenticate')).toBe('Bearer realm="runlet"')
  })

  it.each([
    ['POST', '/api/run/'],
    ['POST', '/api/schedule'],
    ['GET', '/api/schedule/check/abc'],
    ['GET', '/api/languages/'],
    ['GET', '/api/unknown'],
    ['PUT', '/api/run'],
  ])('refuses %s %s without one, before it looks at anything else', async (method, path) => {
    expect((await api.call(path, { method })).status).toBe(401)
    expect(api.publisher.ran).toEqual([])
  })

  it.each(['/healthz', '/readyz', '/openapi.json', '/docs'])('leaves %s open', async (path) => {
    expect((await api.app.request(path)).status).toBe(200)
  })
})

describe('without API keys', () => {
  it('asks nobody', async () => {
    expect((await fakeApi().call('/api/languages')).status).toBe(200)
    expect((await fakeApi({ apiKeys: [] }).call('/api/languages')).status).toBe(200)
  })
})
