import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { KubeConfig } from '@kubernetes/client-node'
import { KubeHttp } from '../../k8s/http.ts'

export type Answer = (response: http.ServerResponse, request: http.IncomingMessage, body: string) => void

/** A real HTTP server that answers each request with the next line of a script, and the last line for ever. */
export class ScriptedApiServer implements AsyncDisposable {
  readonly requests: { method: string; url: URL; headers: http.IncomingHttpHeaders; body: string }[] = []
  connections = 0
  readonly server: http.Server
  readonly http: KubeHttp
  #script: Answer[]

  private constructor(server: http.Server, script: Answer[]) {
    this.server = server
    this.#script = script
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const config = new KubeConfig()
    config.loadFromClusterAndUser({ name: 'fake', server: url, skipTLSVerify: true }, { name: 'nobody' })
    this.http = new KubeHttp(config)
    server.on('connection', () => {
      this.connections += 1
    })
    server.on('request', (request: http.IncomingMessage, response: http.ServerResponse) => {
      void this.#answer(request, response)
    })
  }

  static async start(...script: Answer[]): Promise<ScriptedApiServer> {
    const server = http.createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new ScriptedApiServer(server, script)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.http[Symbol.dispose]()
    this.server.closeAllConnections()
    this.server.close()
    await once(this.server, 'close')
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString('utf8')
    const url = new URL(request.url ?? '/', 'http://fake')
    this.requests.push({ method: request.method ?? '', url, headers: request.headers, body })
    const next = this.#script.length > 1 ? this.#script.shift() : this.#script[0]
    next?.(response, request, body)
  }
}

/** Answers with JSON. */
export const json =
  (value: unknown, status = 200, headers: http.OutgoingHttpHeaders = {}): Answer =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
  }

/** Writes events of a watch and ends; `open` keeps the connection, `broken` cuts it. */
export const events =
  (lines: (object | string)[], then: 'end' | 'open' | 'broken' = 'end'): Answer =>
  (response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    for (const line of lines) response.write(typeof line === 'string' ? line : `${JSON.stringify(line)}\n`)
    if (then === 'end') response.end()
    if (then === 'broken') setTimeout(() => response.destroy(), 20)
  }
