import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent, request } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { kubectl } from '../../helpers/cluster.ts'

/** Stands between Runlet and the API server, speaks plain HTTP to the one and TLS to the other, and misbehaves as it is told. */
export interface ApiServerProxy extends AsyncDisposable {
  readonly url: string
  /** Attached streams that are open. */
  readonly streams: number
  readonly calls: number
  /** Answers this share (0 to 1) of the calls with 429 and Retry-After: 1. */
  throttle(share: number): void
  /** Every call takes so much longer. */
  delay(milliseconds: number): void
  /** The streams, or watches, that are open now say nothing more, in either direction, and stay open. New ones work. */
  stall(what: 'streams' | 'watches'): number
  /** Open watches report 410, and the next ones are answered with 410. */
  expireWatches(next: number): number
  /** Breaks the streams that are open now. */
  cut(): void
  /** Behaves. What was stalled stays so. */
  pass(): void
}

export interface ApiServerProxyOptions {
  /** Of a service account, in whose name everything is asked; without one, in that of the kubeconfig's administrator. */
  token?: string
  /** Hears of every call that was answered. A WebSocket that was opened has the status 101. */
  onAnswer?: (method: string, path: string, status: number) => void
}

interface Cluster {
  server: string
  ca: Buffer
  /** Of the administrator. */
  identity: { cert: Buffer; key: Buffer }
}

const GONE = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' }

export async function startApiServerProxy({ token, onAnswer }: ApiServerProxyOptions = {}): Promise<ApiServerProxy> {
  const { server: target, ca, identity } = await currentCluster()
  const tls = { ca, ...(token === undefined && identity) }
  const agent = new Agent({ keepAlive: true, maxSockets: 64, ...tls })
  const sockets = new Set<Socket>()
  const streams = new Set<Duplex>()
  const watches = new Map<ServerResponse, IncomingMessage>()
  let calls = 0
  let share = 0
  let delayMs = 0
  let gone = 0

  const forward = (incoming: IncomingMessage) => {
    const { host: _, ...headers } = incoming.headers
    if (token !== undefined) headers.authorization = `Bearer ${token}`
    const { method = 'GET', url = '/' } = incoming
    const call = request(new URL(url, target), { method, headers, agent, ...tls })
    for (const name of ['response', 'upgrade'])
      call.on(name, ({ statusCode = 0 }: IncomingMessage) => onAnswer?.(method, url, statusCode))
    return call
  }

  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    calls++
    const isWatch = /[?&]watch=true/.test(incoming.url ?? '')
    const wait = delayMs
    if (wait > 0) await sleep(wait)
    if (Math.random() < share) return refuse(incoming, outgoing, 429)
    if (isWatch && gone > 0) {
      gone--
      return refuse(incoming, outgoing, 410)
    }
    const call = forward(incoming)
    call.on('error', () => outgoing.destroy())
    outgoing.on('close', () => {
      watches.delete(outgoing)
      call.destroy()
    })
    call.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      outgoing.flushHeaders()
      if (isWatch) watches.set(outgoing, answer)
      answer.on('error', () => outgoing.destroy())
      answer.pipe(outgoing)
    })
    incoming.pipe(call)
  }

  const server = createServer((incoming, outgoing) => void serve(incoming, outgoing))
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('upgrade', (incoming: IncomingMessage, client: Duplex, head: Buffer) => {
    const call = forward(incoming)
    call.on('upgrade', (answer, remote: Duplex, first: Buffer) => {
      client.write(`HTTP/1.1 101 Switching Protocols\r\n${rawHeaders(answer)}\r\n\r\n`)
      join(client, remote, [head, first])
      streams.add(client)
      client.on('close', () => streams.delete(client))
    })
    call.on('response', (answer) => {
      client.write(`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\n${rawHeaders(answer)}\r\n\r\n`)
      answer.pipe(client)
    })
    call.on('error', () => client.destroy())
    client.on('error', () => call.destroy())
    call.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get streams() {
      return streams.size
    },
    get calls() {
      return calls
    },
    throttle: (wanted) => {
      share = wanted
    },
    delay: (milliseconds) => {
      delayMs = milliseconds
    },
    stall: (what) => {
      if (what === 'streams') for (const stream of streams) stream.emit('stall')
      else for (const answer of watches.values()) answer.unpipe().pause()
      return what === 'streams' ? streams.size : watches.size
    },
    expireWatches: (next) => {
      const open = [...watches]
      gone = next
      for (const [outgoing, answer] of open) {
        answer.unpipe()
        outgoing.end(`${JSON.stringify({ type: 'ERROR', object: GONE })}\n`)
      }
      return open.length
    },
    cut: () => {
      for (const stream of streams) stream.destroy()
    },
    pass: () => {
      share = 0
      delayMs = 0
      gone = 0
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      agent.destroy()
      await closed
    },
  }
}

function refuse(incoming: IncomingMessage, outgoing: ServerResponse, code: 410 | 429): void {
  incoming.resume()
  const status = code === 410 ? GONE : { kind: 'Status', code, reason: 'TooManyRequests', message: 'slow down' }
  outgoing.writeHead(code, { 'content-type': 'application/json', ...(code === 429 && { 'retry-after': '1' }) })
  outgoing.end(JSON.stringify(status))
}

/** Bytes both ways until one end closes, or until `stall` is emitted: then nothing more, and both stay open. */
function join(client: Duplex, remote: Duplex, [head, first]: [Buffer, Buffer]): void {
  if (head.length > 0) remote.write(head)
  if (first.length > 0) client.write(first)
  client.pipe(remote)
  remote.pipe(client)
  client.on('stall', () => {
    client.unpipe(remote)
    remote.unpipe(client)
    // Read and thrown away: a half that nobody reads would not notice that the other end closes.
    client.resume()
    remote.resume()
  })
  for (const [one, other] of [
    [client, remote],
    [remote, client],
  ] as const) {
    one.on('error', () => other.destroy())
    one.on('close', () => other.destroy())
  }
}

function rawHeaders({ rawHeaders: raw }: IncomingMessage): string {
  return raw.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${raw[index + 1]}`] : [])).join('\r\n')
}

/** A kubeconfig, as JSON, of an API server that asks for no credentials. */
export function kubeconfigOf(server: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'proxy',
    clusters: [{ name: 'proxy', cluster: { server } }],
    users: [{ name: 'proxy', user: {} }],
    contexts: [{ name: 'proxy', context: { cluster: 'proxy', user: 'proxy' } }],
  })
}

/** The API server of the kubeconfig, and its administrator's certificate. */
async function currentCluster(): Promise<Cluster> {
  const view = JSON.parse(await kubectl('config', 'view', '--raw', '--flatten', '--minify', '-o', 'json'))
  const { cluster } = view.clusters[0]
  const { user } = view.users[0]
  const bytes = (text: string) => Buffer.from(text, 'base64')
  return {
    server: cluster.server,
    ca: bytes(cluster['certificate-authority-data']),
    identity: { cert: bytes(user['client-certificate-data']), key: bytes(user['client-key-data']) },
  }
}
