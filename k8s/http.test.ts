import { describe, expect, it, vi } from 'vitest'
import { events, json, ScriptedApiServer } from '../tests/fakes/scripted-api-server.ts'
import { KubeError } from './kube-error.ts'

const failure = (attempt: Promise<unknown>) =>
  attempt.then(
    () => expect.fail('it should have failed'),
    (error: unknown) => error as KubeError,
  )

describe('KubeHttp', () => {
  it('uses one connection for all calls that come one after the other', async () => {
    await using server = await ScriptedApiServer.start(json({ ok: true }))
    for (let count = 0; count < 20; count++) await server.http.call({ path: '/apis' })
    expect(server.connections).toBe(1)
    expect(server.http.connectionsOpened).toBe(1)
  })

  it('sends method, query, body and types', async () => {
    await using server = await ScriptedApiServer.start(json({ kind: 'Job' }))
    const answer = await server.http.call({
      method: 'PATCH',
      path: '/jobs/a',
      query: { limit: 1, labelSelector: 'a=b,c', absent: undefined },
      body: { metadata: { labels: { ä: 'ö' } } },
      accept: 'application/json;as=Table',
    })
    expect(answer).toEqual({ kind: 'Job' })
    const [request] = server.requests
    expect(request).toMatchObject({
      method: 'PATCH',
      headers: { 'content-type': 'application/merge-patch+json', accept: 'application/json;as=Table' },
      body: '{"metadata":{"labels":{"ä":"ö"}}}',
    })
    expect(request?.url.pathname).toBe('/jobs/a')
    expect(Object.fromEntries(request?.url.searchParams ?? [])).toEqual({ limit: '1', labelSelector: 'a=b,c' })
  })

  it('sends JSON for everything that is no patch, and no type without a body', async () => {
    await using server = await ScriptedApiServer.start(json({}))
    await server.http.call({ method: 'POST', path: '/', body: {} })
    await server.http.call({ path: '/' })
    expect(server.requests.map(({ headers }) => headers['content-type'])).toEqual(['application/json', undefined])
  })

  it('takes an empty answer', async () => {
    await using server = await ScriptedApiServer.start((response) => response.end())
    expect(await server.http.call({ path: '/' })).toBeUndefined()
  })

  it('repeats a call whose kept connection had been closed meanwhile', async () => {
    await using server = await ScriptedApiServer.start(json(1), (response) => response.destroy(), json(2))
    await server.http.call({ path: '/' })
    expect(await server.http.call({ path: '/' })).toBe(2)
    expect(server.connections).toBe(2)
  })

  it('begins a watch and hands out what comes', async () => {
    await using server = await ScriptedApiServer.start(events([{ type: 'ADDED' }], 'open'))
    const stop = new AbortController()
    const body = await server.http.open({ path: '/', signal: stop.signal })
    const chunk: Buffer = await new Promise((resolve) => body.once('data', resolve))
    expect(chunk.toString()).toBe('{"type":"ADDED"}\n')
    body.on('error', () => {})
    stop.abort()
    await vi.waitFor(() => expect(body.destroyed).toBe(true))
  })
})

describe('what goes wrong', () => {
  it('is told in the words of the API', async () => {
    const status = { kind: 'Status', code: 403, reason: 'Forbidden', message: 'exceeded quota' }
    await using server = await ScriptedApiServer.start(json(status, 403))
    const error = await failure(server.http.call({ path: '/' }))
    expect(error).toBeInstanceOf(KubeError)
    expect(error).toMatchObject({ status: 403, reason: 'Forbidden', message: 'exceeded quota', passing: false })
  })

  it.each([
    [429, { 'retry-after': '3' }, {}, 3000],
    [429, {}, { details: { retryAfterSeconds: 2 } }, 2000],
    [503, {}, {}, undefined],
  ])('%i may pass (%j, %j)', async (status, headers, body, retryAfterMs) => {
    await using server = await ScriptedApiServer.start(json(body, status, headers))
    expect(await failure(server.http.call({ path: '/' }))).toMatchObject({ status, passing: true, retryAfterMs })
  })

  it('is told also by a proxy that speaks no JSON', async () => {
    await using server = await ScriptedApiServer.start((response) =>
      response.writeHead(502).end('<h1>bad gateway</h1>'),
    )
    expect(await failure(server.http.call({ path: '/' }))).toMatchObject({
      status: 502,
      message: '<h1>bad gateway</h1>',
    })
  })

  it('has status 0 when nobody answers in time', async () => {
    await using server = await ScriptedApiServer.start(() => {})
    const error = await failure(server.http.call({ path: '/', timeoutMs: 50 }))
    expect(error).toMatchObject({ status: 0, passing: true })
    const head = await failure(server.http.open({ path: '/', timeoutMs: 50, signal: new AbortController().signal }))
    expect(head).toMatchObject({ status: 0, passing: true })
  })

  it('has status 0 when the answer stops in its middle', async () => {
    await using server = await ScriptedApiServer.start((response) => {
      response.writeHead(200, { 'content-length': '100' }).write('{')
      setTimeout(() => response.destroy(), 20)
    })
    expect(await failure(server.http.call({ path: '/' }))).toMatchObject({ status: 0 })
  })

  it('has status 0 when nobody listens', async () => {
    const server = await ScriptedApiServer.start(json({}))
    const { http } = server
    await server[Symbol.asyncDispose]()
    expect(await failure(http.call({ path: '/' }))).toMatchObject({ status: 0, passing: true })
  })

  it('fails an opened watch like any call', async () => {
    await using server = await ScriptedApiServer.start(json({ code: 410, reason: 'Expired', message: 'old' }, 410))
    const error = await failure(server.http.open({ path: '/', signal: new AbortController().signal }))
    expect(error).toMatchObject({ status: 410, reason: 'Expired', passing: false })
  })
})
