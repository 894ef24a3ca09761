import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { serverUrl } from '../telemetry/server.ts'
import type { ApiApp } from './app.ts'

/** Against clients that open a connection and take their time. In milliseconds. */
const TIMEOUTS = {
  /** For the head of a request. */
  headersTimeout: 10_000,
  /** For the whole of a request, body included: 4 MiB in this time is 140 KB/s. */
  requestTimeout: 30_000,
  /** How often the two above are looked at. */
  connectionsCheckingInterval: 5_000,
  /**
   * Longer than what is in front keeps an idle connection (Traefik 90 s, nginx and AWS 60 s, Google Cloud 600 s): the end that reuses it must be the one that gives up
   * first, or a request may cross the end of its connection: 502, seen once behind Traefik when this was 75 s.
   */
  keepAliveTimeout: 620_000,
  /** Silence in both directions: more than the longest wait for an answer (60 s), so that only who reads nothing is cut. */
  silenceTimeout: 120_000,
}
/** How often idle connections are looked for while closing: one becomes idle when its answer is out. */
const IDLE_CHECK_MS = 50
/** The rest of a head that has begun to arrive gets so long after the stop. */
const HEAD_GRACE_MS = 1_000
/** What is in flight gets so long after the stop; a run waits 30 s at most by default. */
const DRAIN_MS = 35_000

/**
 * A listening server. Disposing it takes no new connections, cuts those on which nobody has asked for anything, finishes what is in flight and cuts what has
 * not ended after `drainMs`.
 */
export interface ApiServer extends AsyncDisposable {
  /** Without a slash at the end. */
  readonly url: string
  readonly port: number
}

/**
 * Serves the app over HTTP/1.1.
 * @param options.host all addresses when missing.
 * @param options.port 0 takes a free one.
 * @throws Error when the address can't be bound.
 */
export async function startServer({
  app,
  host,
  port,
  drainMs = DRAIN_MS,
  timeouts = {},
}: {
  app: Pick<ApiApp, 'fetch'>
  host?: string | undefined
  port: number
  drainMs?: number
  /** For tests. */
  timeouts?: Partial<typeof TIMEOUTS>
}): Promise<ApiServer> {
  const { silenceTimeout, ...serverOptions } = { ...TIMEOUTS, ...timeouts }
  const server = createAdaptorServer({ fetch: app.fetch, serverOptions }) as Server
  server.setTimeout(silenceTimeout)
  const unasked = trackUnasked(server)
  server.listen(port, host)
  await once(server, 'listening')
  const address = server.address() as AddressInfo
  return {
    port: address.port,
    url: serverUrl(host, address.port),
    [Symbol.asyncDispose]: () => close(server, unasked, drainMs),
  }
}

/**
 * The connections on which no request has begun yet: an Ingress opens some in advance. To Node each of them is busy with a head, not idle, and once a server
 * closes no timeout looks at heads any more: they held the end of a replica for all of its drain time.
 */
function trackUnasked(server: Server): ReadonlySet<Socket> {
  const unasked = new Set<Socket>()
  server.on('connection', (socket) => {
    unasked.add(socket)
    socket.once('close', () => unasked.delete(socket))
  })
  server.on('request', ({ socket }) => unasked.delete(socket))
  return unasked
}

async function close(server: Server, unasked: ReadonlySet<Socket>, drainMs: number): Promise<void> {
  const closed = once(server, 'close')
  const started = performance.now()
  server.close()
  const cut = () => {
    server.closeIdleConnections()
    const isHeadLate = performance.now() - started >= HEAD_GRACE_MS
    for (const socket of unasked) if (isHeadLate || socket.bytesRead === 0) socket.destroy()
  }
  cut()
  const idle = setInterval(cut, IDLE_CHECK_MS)
  const end = setTimeout(() => server.closeAllConnections(), drainMs)
  await closed
  clearInterval(idle)
  clearTimeout(end)
}
