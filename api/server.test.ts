import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { fakeApi } from '../tests/fakes/api.ts'
import { startServer } from './server.ts'

const host = '127.0.0.1'

/** Sends bytes and gives all that comes back until the connection closes. */
async function exchange(port: number, bytes: string): Promise<string> {
  const socket = connect(port, host)
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', () => undefined)
  socket.write(bytes)
  await once(socket, 'close')
  return Buffer.concat(chunks).toString('latin1')
}

const head = (lines: string[], method = 'POST') =>
  `${method} /api/run/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n${lines.join('\r\n')}\r\n\r\n`

describe('startServer', () => {
  it('serves the API over HTTP until it is disposed of', async () => {
    let url = ''
    {
      const { app } = fakeApi()
      await using server = await startServer({ app, host, port: 0 })
      url = server.url
      const body = JSON.stringify({ language: 'py', code: 'print(1)' })
      const headers = { 'content-type': 'application/json' }
      const response = await fetch(`${url}/api/run/`, { method: 'POST', body, headers })
      expect([response.status, await response.json()]).toMatchObject([200, { status: 'succeeded' }])
    }
    await expect(fetch(`${url}/healthz`)).rejects.toThrow()
  })

  it('keeps idle connections for longer than any load balancer does: else a request may cross the end of its connection', async () => {
    const { app } = fakeApi()
    await using server = await startServer({ app, host, port: 0 })
    const response = await fetch(`${server.url}/healthz`)
    await response.text()
    const [, seconds] = /timeout=(\d+)/.exec(response.headers.get('keep-alive') ?? '') ?? []
    expect(Number(seconds)).toBeGreaterThan(600)
  })

  it('fails when the port is taken', async () => {
    const { app } = fakeApi()
    await using server = await startServer({ app, host, port: 0 })
    await expect(startServer({ app, host, port: server.port })).rejects.toThrow('EADDRINUSE')
  })

  it('refuses a body in chunks that is too large, while it comes', async () => {
    const { app } = fakeApi({ maxBodyBytes: 1000 })
    await using server = await startServer({ app, host, port: 0 })
    const chunk = `${(600).toString(16)}\r\n${' '.repeat(600)}\r\n`
    const answer = await exchange(server.port, head(['Transfer-Encoding: chunked']) + chunk + chunk + chunk)
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
    expect(answer).toContain('body_too_large')
  })

  it('refuses a body by its length, before it comes', async () => {
    const { app } = fakeApi({ maxBodyBytes: 1000 })
    await using server = await startServer({ app, host, port: 0 })
    expect(await exchange(server.port, head(['Content-Length: 1001']))).toMatch(/^HTTP\/1\.1 413 /)
  })

  it('is not fooled by two lengths', async () => {
    const api = fakeApi({ maxBodyBytes: 1000 })
    await using server = await startServer({ app: api.app, host, port: 0 })
    const answer = await exchange(server.port, head(['Content-Length: 2', 'Transfer-Encoding: chunked']))
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(api.publisher.ran).toEqual([])
  })

  it.each(['garbage\r\n\r\n', 'GET / HTTP/1.1\r\n\r\n', 'GET /%zz HTTP/1.1\r\nHost: <script>\r\n\r\n'])(
    'answers %j with 4xx and echoes nothing',
    async (bytes) => {
      const { app } = fakeApi()
      await using server = await startServer({ app, host, port: 0 })
      const answer = await exchange(server.port, bytes.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
      expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /)
      expect(answer).not.toMatch(/garbage|script>/)
    },
  )
})

describe('a slow client', () => {
  const timeouts = { headersTimeout: 300, requestTimeout: 600, connectionsCheckingInterval: 50, silenceTimeout: 500 }

  /** Writes a byte now and then, and goes on as long as it may. */
  async function drip(port: number, bytes: string): Promise<string> {
    const socket = connect(port, host)
    let heard = ''
    socket.on('data', (chunk: Buffer) => (heard += chunk.toString('latin1')))
    socket.on('error', () => undefined)
    const closed = new Promise((resolve) => socket.on('close', resolve))
    socket.write(bytes)
    const timer = setInterval(() => socket.write('a'), 40)
    await closed
    clearInterval(timer)
    return heard
  }

  it.each([
    ['head', 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: '],
    ['body', head(['Content-Length: 100000'])],
    ['body in chunks', `${head(['Transfer-Encoding: chunked'])}ffff\r\n`],
  ])('that drips its %s is cut, and nobody else waits for it', async (_, bytes) => {
    const api = fakeApi()
    await using server = await startServer({ app: api.app, host, port: 0, timeouts })
    const slow = Array.from({ length: 20 }, () => drip(server.port, bytes))
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
    for (const answer of await Promise.all(slow)) expect(answer).toMatch(/^(HTTP\/1\.1 408 [\s\S]*)?$/)
    expect(api.publisher.ran).toEqual([])
  })

  it('that asks for much and reads nothing is cut, and nobody else waits for it', async () => {
    const cut = Promise.withResolvers<boolean>()
    const app = new Hono()
      .get('/', ({ env, text }) => {
        const { outgoing } = env as HttpBindings
        outgoing.once('close', () => cut.resolve(outgoing.writableFinished))
        return text('x'.repeat(32 * 1024 * 1024))
      })
      .get('/small', ({ text }) => text('small'))
    // Time for the other one on a busy machine: that one is not to be cut.
    const patient = { ...timeouts, headersTimeout: 5_000, requestTimeout: 8_000, silenceTimeout: 2_000 }
    await using server = await startServer({ app, host, port: 0, timeouts: patient })
    const socket = connect(server.port, host)
    socket.on('error', () => undefined)
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    expect(await (await fetch(`${server.url}/small`)).text()).toBe('small')
    expect(await cut.promise).toBe(false)
    socket.destroy()
  })

  it('that says nothing after an answer is let go', async () => {
    const { app } = fakeApi()
    const short = { ...timeouts, keepAliveTimeout: 100 }
    await using server = await startServer({ app, host, port: 0, timeouts: short })
    const idle = connect(server.port, host)
    idle.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
    idle.resume()
    await once(idle, 'close')
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
  })
})

describe('closing', () => {
  /** A server whose one route answers when told. */
  async function slowServer(drainMs: number) {
    const { promise, resolve } = Promise.withResolvers<void>()
    const entered = Promise.withResolvers<void>()
    const app = new Hono().get('/', async (c) => {
      entered.resolve()
      await promise
      return c.text('done')
    })
    return { server: await startServer({ app, host, port: 0, drainMs }), finish: resolve, entered: entered.promise }
  }

  it('finishes what is in flight, and takes nothing new', async () => {
    const { server, finish, entered } = await slowServer(10_000)
    const answer = fetch(server.url)
    await entered
    const closed = server[Symbol.asyncDispose]()
    await expect(fetch(server.url)).rejects.toThrow()
    finish()
    expect(await (await answer).text()).toBe('done')
    await closed
  })

  it('cuts what does not end in its time', async () => {
    const { server, entered } = await slowServer(20)
    const answer = fetch(server.url)
    await entered
    await server[Symbol.asyncDispose]()
    await expect(answer).rejects.toThrow()
  })

  it('does not wait for idle connections', async () => {
    const { app } = fakeApi()
    const server = await startServer({ app, host, port: 0 })
    const idle: Socket = connect(server.port, host)
    idle.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
    await once(idle, 'data')
    const closed = server[Symbol.asyncDispose]().then(() => 'closed')
    expect(await Promise.race([closed, sleep(5_000, 'waited')])).toBe('closed')
    idle.destroy()
  })

  it.each([
    ['nothing was ever sent', ''],
    ['half a head was sent', 'GET /healthz HTTP/1.1\r\nHost:'],
  ])('does not wait for connections on which %s', async (_, bytes) => {
    const { app } = fakeApi()
    const server = await startServer({ app, host, port: 0, drainMs: 60_000 })
    const early = connect(server.port, host)
    early.on('error', () => undefined)
    await once(early, 'connect')
    early.write(bytes)
    // Connections are accepted in order: with this answer the server has the early one too.
    await fetch(`${server.url}/healthz`, { headers: { connection: 'close' } })
    const closed = server[Symbol.asyncDispose]().then(() => 'closed')
    expect(await Promise.race([closed, sleep(8_000, 'waited')])).toBe('closed')
    early.destroy()
  })

  it('answers long polls at once when the draining begins', async () => {
    const drain = new AbortController()
    const api = fakeApi({}, { draining: drain.signal })
    const polled = Promise.withResolvers<void>()
    const { find } = api.records
    api.records.find = (...asked) => {
      polled.resolve()
      return find.apply(api.records, asked)
    }
    const server = await startServer({ app: api.app, host, port: 0 })
    const id = api.ids.create(Date.parse('2026-01-31T12:00:00Z'))
    const answer = fetch(`${server.url}/api/schedule/check/${id}?wait=60`)
    await polled.promise
    drain.abort()
    expect(await (await answer).json()).toEqual({ id, status: 'queued' })
    await server[Symbol.asyncDispose]()
  })
})
