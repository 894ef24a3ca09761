import { describe, expect, it } from 'vitest'
import { createMetrics } from '../../telemetry/metrics.ts'
import { fakeApi } from '../../tests/fakes/api.ts'

describe('probes', () => {
  it.each(['/healthz', '/healthz/', '/readyz', '/readyz/'])('%s is ok', async (path) => {
    const { status, body } = await fakeApi().call(path)
    expect([status, body]).toEqual([200, { status: 'ok' }])
  })

  it('say why there should be no requests, and that the process lives', async () => {
    const api = fakeApi({}, { ready: () => ({ ok: false, reason: 'shutting down' }) })
    const { status, body } = await api.call('/readyz')
    expect([status, body]).toEqual([503, { status: 'unavailable', reason: 'shutting down' }])
    expect((await api.call('/healthz')).status).toBe(200)
  })

  it('have a reason also when none was given', async () => {
    const api = fakeApi({}, { ready: () => ({ ok: false }) })
    expect((await api.call('/readyz')).body).toEqual({ status: 'unavailable', reason: 'not ready' })
  })
})

describe('/metrics', () => {
  it('is there when asked for', async () => {
    const metricsText = createMetrics()
    const response = await fakeApi({}, { metricsText }).app.request('/metrics')
    expect(response.headers.get('content-type')).toBe(metricsText.contentType)
    expect(await response.text()).toContain('runlet_http_requests_total')
  })

  it('is not on the port of an Ingress', async () => {
    expect((await fakeApi().call('/metrics')).status).toBe(404)
  })
})
