import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import type { MetricsText } from './metrics.ts'

/** Whether this process should get work; `reason` is for the operator who reads the probe. */
export interface Readiness {
  ok: boolean
  reason?: string | undefined
}

export interface TelemetryOptions {
  ready: () => Readiness
  metrics: MetricsText
}

/** The pages for probes and scrapes: /healthz (the process answers), /readyz (200 or 503 with the reason), /metrics. */
export function createTelemetryApp({ ready, metrics }: TelemetryOptions): Hono {
  const app = new Hono({ strict: false })
  app.get('/healthz', (c) => c.json({ status: 'ok' }))
  app.get('/readyz', (c) => {
    const { ok, reason } = ready()
    return ok ? c.json({ status: 'ok' }) : c.json({ status: 'unavailable', reason: reason ?? 'not ready' }, 503)
  })
  app.get('/metrics', async (c) => c.body(await metrics.text(), 200, { 'Content-Type': metrics.contentType }))
  return app
}

/** Where a server that listens there is found from this machine, without a slash at the end. */
export function serverUrl(host: string | undefined, port: number): string {
  const name = host ?? 'localhost'
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`
}

/** A listening server. `url` ends without a slash; disposing stops it and cuts what is still open. */
export interface TelemetryServer extends AsyncDisposable {
  readonly url: string
  readonly port: number
}

/**
 * Serves the pages of createTelemetryApp on a port of their own, which no Ingress exposes.
 * @param options.host all addresses when missing.
 * @param options.port 0 takes a free one.
 * @throws Error when the address can't be bound.
 */
export async function startTelemetryServer(
  options: TelemetryOptions & { host?: string | undefined; port: number },
): Promise<TelemetryServer> {
  const app = createTelemetryApp(options)
  // `overrideGlobalObjects: false`: a runner that only answers probes should keep Node's own Request and Response.
  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false })
  server.listen(options.port, options.host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: serverUrl(options.host, port),
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      if ('closeAllConnections' in server) server.closeAllConnections()
      await closed
    },
  }
}
