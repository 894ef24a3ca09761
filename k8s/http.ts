/**
 * One transport for every call to the API server: plain calls, watches, and the TLS options of attach.
 *
 * Why not the generated clients of @kubernetes/client-node: 2.0.1 makes a new undici dispatcher for each call, so each call is a TLS handshake (11 ms instead of
 * 2.6 ms, measured) and leaves its connection behind open: 71 calls, 71 connections. We take its KubeConfig (kubeconfig files, in-cluster tokens that rotate, exec
 * plugins, proxies) and its types, and send through one keep-alive agent of Node.
 */
import type { IncomingMessage } from 'node:http'
import http from 'node:http'
import https from 'node:https'
import type { KubeConfig } from '@kubernetes/client-node'
import { toError } from '../core/errors.ts'
import { KubeError } from './kube-error.ts'

export interface KubeRequest {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** `/apis/batch/v1/namespaces/...`, its parts encoded already. */
  path: string
  query?: Record<string, string | number | boolean | undefined>
  body?: unknown
  /** Of the body; a PATCH is a JSON merge patch when nothing is said. */
  contentType?: string
  accept?: string
  signal?: AbortSignal | undefined
  /** Until the whole answer is there; of `open`: until its head is. */
  timeoutMs?: number
}

/** What a WebSocket to the API server needs. */
export interface SocketOptions {
  url: string
  options: https.RequestOptions
}

const CALL_TIMEOUT_MS = 15_000
/** Below the 90 s after which kube-apiserver closes an idle connection, so that a call rarely meets one that is being closed. */
const IDLE_CONNECTION_MS = 60_000
/** Enough for a burst of patches; each costs the API server a file descriptor and some 50 KiB. */
const MAX_CONNECTIONS = 32

export class KubeHttp implements Disposable {
  readonly #config: KubeConfig
  readonly #server: URL
  readonly #agent: http.Agent
  #connectionsOpened = 0

  constructor(config: KubeConfig) {
    const cluster = config.getCurrentCluster()
    if (!cluster)
      throw new Error('No Kubernetes cluster is configured: neither in-cluster credentials nor a kubeconfig were found')
    this.#config = config
    this.#server = new URL(cluster.server.replace(/\/+$/, ''))
    const Agent = this.#server.protocol === 'https:' ? https.Agent : http.Agent
    this.#agent = new Agent({
      keepAlive: true,
      timeout: IDLE_CONNECTION_MS,
      maxSockets: MAX_CONNECTIONS,
      scheduling: 'lifo',
    })
  }

  /** Connections opened so far, WebSockets included: it must not grow with the number of calls. */
  get connectionsOpened(): number {
    return this.#connectionsOpened
  }

  /**
   * One call, its answer as JSON (undefined when it is empty). The caller says what shape the API promises.
   * @throws KubeError
   */
  async call<Answer>(request: KubeRequest): Promise<Answer> {
    const timeout = AbortSignal.timeout(request.timeoutMs ?? CALL_TIMEOUT_MS)
    const signal = request.signal ? AbortSignal.any([request.signal, timeout]) : timeout
    const response = await this.#send(request, signal)
    const text = await readAll(response).catch((error: unknown) => {
      throw KubeError.unreachable(request.path, timeout.aborted ? 'no answer in time' : toError(error))
    })
    if ((response.statusCode ?? 0) >= 300) throw KubeError.fromAnswer(response, text)
    return (text === '' ? undefined : JSON.parse(text)) as Answer
  }

  /**
   * Begins a call and hands out the answer as it comes in; for watches.
   * @throws KubeError
   */
  async open(request: KubeRequest & { signal: AbortSignal }): Promise<IncomingMessage> {
    const head = new AbortController()
    const timer = setTimeout(() => head.abort(new Error('no answer in time')), request.timeoutMs ?? CALL_TIMEOUT_MS)
    try {
      const response = await this.#send(request, AbortSignal.any([request.signal, head.signal]))
      if ((response.statusCode ?? 0) < 300) return response
      throw KubeError.fromAnswer(response, await readAll(response))
    } finally {
      clearTimeout(timer)
    }
  }

  /** URL and TLS options (with fresh credentials) of a WebSocket to `path`. */
  async socketOptions(path: string): Promise<SocketOptions> {
    const url = new URL(this.#server.href.replace(/\/+$/, '') + path)
    url.protocol = this.#server.protocol === 'https:' ? 'wss:' : 'ws:'
    return { url: url.href, options: await this.#options() }
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }

  async #options(): Promise<https.RequestOptions> {
    const options: https.RequestOptions = { headers: {} }
    const cluster = this.#config.getCurrentCluster()
    const plain = this.#server.protocol === 'http:'
    // The library refuses plain HTTP unless the cluster says skipTLSVerify; a fake API server in a test needs no credentials either.
    if (!plain) await this.#config.applyToHTTPSOptions(options)
    if (cluster?.proxyUrl === undefined) options.agent = this.#agent
    return options
  }

  async #send(request: KubeRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const options = await this.#options().catch((error: unknown) => {
      throw KubeError.unreachable(request.path, toError(error))
    })
    try {
      return await this.#once(request, options, signal)
    } catch (error) {
      // A kept connection may be closed by the server at the very moment we write: Node says so, and the request was not processed.
      const stale = error instanceof StaleConnection && !signal.aborted
      const cause = stale ? await this.#once(request, options, signal).catch(toError) : error
      if (cause instanceof http.IncomingMessage) return cause
      throw KubeError.unreachable(request.path, signal.aborted ? toError(signal.reason) : toError(cause))
    }
  }

  #once(request: KubeRequest, options: https.RequestOptions, signal: AbortSignal): Promise<IncomingMessage> {
    const method = request.method ?? 'GET'
    const body = request.body === undefined ? undefined : JSON.stringify(request.body)
    const headers: http.OutgoingHttpHeaders = {
      ...(options.headers as http.OutgoingHttpHeaders),
      accept: request.accept ?? 'application/json',
      'user-agent': 'runlet',
    }
    if (body !== undefined) {
      headers['content-type'] =
        request.contentType ?? (method === 'PATCH' ? 'application/merge-patch+json' : 'application/json')
      headers['content-length'] = Buffer.byteLength(body)
    }
    const url = new URL(this.#server.href.replace(/\/+$/, '') + request.path)
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value))
    }
    const send = url.protocol === 'https:' ? https.request : http.request
    return new Promise((resolve, reject) => {
      const outgoing = send(url, { ...options, method, headers, signal })
      outgoing.once('socket', (socket) => {
        if (!outgoing.reusedSocket) {
          this.#connectionsOpened += 1
          socket.setNoDelay(true)
          socket.setKeepAlive(true, 30_000)
        }
      })
      outgoing.once('response', resolve)
      outgoing.once('error', (error: NodeJS.ErrnoException) => {
        const stale = outgoing.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
        reject(stale ? new StaleConnection(error.message, { cause: error }) : error)
      })
      outgoing.end(body)
    })
  }
}

class StaleConnection extends Error {}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
