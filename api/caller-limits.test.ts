import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { fakeApi } from '../tests/fakes/api.ts'
import type { CallerLimits } from './deps.ts'

const hashOf = (key: string) => createHash('sha256').update(key).digest('hex')
const program = { language: 'python', code: '' }

/** An API with two keys, in a time that stands still. */
function limitedApi(limits: Partial<CallerLimits>, keys = ['first', 'second']) {
  let now = 0
  const clock = { now: () => 0, monotonic: () => now, sleep: async () => undefined }
  const callerLimits = { requests: 0, windowSeconds: 60, runs: 0, outstanding: 0, ...limits }
  const api = fakeApi({ apiKeys: keys.map(hashOf), callerLimits }, { clock })
  const by = (key: string) => ({ authorization: `Bearer ${key}` })
  return {
    ...api,
    ask: (key: string) => api.call('/api/languages', { headers: by(key) }),
    run: (key: string) => api.post('/api/run', program, by(key)),
    schedule: (key: string) => api.post('/api/schedule', program, by(key)),
    pass: (milliseconds: number) => {
      now += milliseconds
    },
  }
}

describe('requests of a key', () => {
  it('are refused beyond its limit, those of another key are not', async () => {
    const api = limitedApi({ requests: 2, windowSeconds: 10 })
    const statuses = [await api.ask('first'), await api.ask('first'), await api.ask('first'), await api.ask('second')]
    expect(statuses.map(({ status }) => status)).toEqual([200, 200, 429, 200])
    api.pass(5_000)
    expect([(await api.ask('first')).status, (await api.ask('first')).status]).toEqual([200, 429])
  })

  it('say in each answer what is allowed and left', async () => {
    const { ask, pass } = limitedApi({ requests: 2, windowSeconds: 10 })
    const { headers } = await ask('first')
    expect([headers.get('ratelimit-policy'), headers.get('ratelimit')]).toEqual([
      '"requests";q=2;w=10',
      '"requests";r=1;t=5',
    ])
    await ask('first')
    pass(1_000)
    const refused = await ask('first')
    expect(refused.body).toMatchObject({ status: 429, code: 'rate_limited' })
    expect([refused.headers.get('ratelimit'), refused.headers.get('retry-after')]).toEqual(['"requests";r=0;t=9', '4'])
  })

  it('count whatever they ask for, but not without a key', async () => {
    const api = limitedApi({ requests: 2 })
    expect((await api.call('/api/languages')).status).toBe(401)
    expect((await api.call('/api/languages', { headers: { authorization: 'Bearer wrong' } })).status).toBe(401)
    const { status } = await api.call('/api/nothing', { headers: { authorization: 'Bearer first' } })
    expect([status, (await api.run('first')).status, (await api.run('first')).status]).toEqual([404, 200, 429])
  })
})

describe('runs of a key', () => {
  it('are refused while as many are under way as it may have, before their body is read', async () => {
    const api = limitedApi({ runs: 1 })
    const { promise, resolve } = Promise.withResolvers<undefined>()
    api.publisher.answer = () => promise
    const waiting = api.run('first')
    await expect.poll(() => api.publisher.ran.length).toBe(1)
    const headers = { authorization: 'Bearer first' }
    const refused = await api.call('/api/run', { method: 'POST', body: 'no JSON', headers })
    expect([refused.status, refused.body.code, refused.headers.get('retry-after')]).toEqual([429, 'too_many_runs', '1'])
    expect(refused.headers.get('ratelimit')).toBe('"runs";r=0')
    expect(refused.headers.get('ratelimit-policy')).toBe('"runs";q=1;qu="concurrent-requests"')
    expect((await api.schedule('first')).status).toBe(202)
    resolve(undefined)
    expect((await waiting).status).toBe(202)
    expect((await api.run('first')).status).toBe(202)
  })

  it('free their place also when they fail', async () => {
    const api = limitedApi({ runs: 1 })
    api.publisher.answer = () => {
      throw new Error('broken')
    }
    expect([(await api.run('first')).status, (await api.run('first')).status]).toEqual([500, 500])
    expect((await api.post('/api/run', '{', { authorization: 'Bearer first' })).status).toBe(400)
  })
})

describe('scheduled executions of a key', () => {
  it('are refused while too many have not ended, those of another key are not', async () => {
    const api = limitedApi({ requests: 9, outstanding: 1 })
    const { headers } = await api.schedule('first')
    expect(headers.get('ratelimit-policy')).toBe('"requests";q=9;w=60, "outstanding";q=1')
    const refused = await api.schedule('first')
    expect([refused.status, refused.body.code]).toEqual([429, 'too_many_outstanding'])
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await api.schedule('second')).status).toBe(202)
  })

  it('carry a name that says nothing of the key', async () => {
    const api = limitedApi({ outstanding: 5 })
    for (const key of ['first', 'first', 'second']) await api.schedule(key)
    const callers = api.publisher.scheduled.map(({ caller }) => caller)
    expect(new Set(callers).size).toBe(2)
    for (const caller of callers) {
      expect(caller).toMatch(/^[0-9a-f]{16}$/)
      expect(hashOf('first') + hashOf('second')).not.toContain(caller)
    }
  })
})

describe('nothing is limited', () => {
  it('where the limits are 0', async () => {
    const api = limitedApi({})
    const { status, headers } = await api.run('first')
    expect([status, headers.get('ratelimit'), headers.get('ratelimit-policy')]).toEqual([200, null, null])
    await api.schedule('first')
    expect(api.publisher.scheduled[0]).not.toHaveProperty('caller')
  })

  it('where there are no keys: callers can not be told apart', async () => {
    const api = limitedApi({ requests: 1, runs: 1, outstanding: 1 }, [])
    const forwarded = { 'x-forwarded-for': '203.0.113.7' }
    for (let count = 0; count < 3; count++) {
      expect((await api.post('/api/schedule', program, forwarded)).status).toBe(202)
    }
  })
})
