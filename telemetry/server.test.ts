import { describe, expect, it } from 'vitest'
import { createMetrics } from './metrics.ts'
import { createTelemetryApp, type Readiness, startTelemetryServer } from './server.ts'

const ready = (): Readiness => ({ ok: true })

describe('createTelemetryApp', () => {
  it.each(['/healthz', '/healthz/', '/readyz', '/readyz/'])('answers %s', async (path) => {
    const response = await createTelemetryApp({ ready, metrics: createMetrics() }).request(path)
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ status: 'ok' })
  })

  it('says why it is not ready, and is healthy all the same', async () => {
    const app = createTelemetryApp({ ready: () => ({ ok: false, reason: 'no broker' }), metrics: createMetrics() })
    const response = await app.request('/readyz')
    expect(response.status).toBe(503)
    expect(await response.json()).toEqual({ status: 'unavailable', reason: 'no broker' })
    expect((await app.request('/healthz')).status).toBe(200)
  })

  it('asks anew at every probe', async () => {
    let ok = false
    const app = createTelemetryApp({ ready: () => ({ ok }), metrics: createMetrics() })
    expect((await app.request('/readyz')).status).toBe(503)
    ok = true
    expect((await app.request('/readyz')).status).toBe(200)
  })

  it('gives the metrics with their content type', async () => {
    const metrics = createMetrics()
    const response = await createTelemetryApp({ ready, metrics }).request('/metrics')
    expect(response.headers.get('content-type')).toBe(metrics.contentType)
    expect(await response.text()).toContain('runlet_sandboxes')
  })
})

describe('startTelemetryServer', () => {
  it('listens until it is disposed', async () => {
    let url = ''
    {
      await using server = await startTelemetryServer({ host: '127.0.0.1', port: 0, ready, metrics: createMetrics() })
      url = server.url
      expect(server.port).toBeGreaterThan(0)
      expect((await fetch(`${url}/healthz`)).status).toBe(200)
    }
    await expect(fetch(`${url}/healthz`)).rejects.toThrow()
  })

  it('fails when the port is taken', async () => {
    const options = { host: '127.0.0.1', ready, metrics: createMetrics() }
    await using server = await startTelemetryServer({ ...options, port: 0 })
    await expect(startTelemetryServer({ ...options, port: server.port })).rejects.toThrow('EADDRINUSE')
  })
})
