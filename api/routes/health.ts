import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import type { ApiDeps, ApiEnv } from '../deps.ts'

const Healthy = z.object({ status: z.literal('ok') }).meta({ id: 'Healthy' })
const Unavailable = z.object({ status: z.literal('unavailable'), reason: z.string() }).meta({ id: 'Unavailable' })

const healthy = { description: 'Yes', content: { 'application/json': { schema: Healthy } } }

const health = createRoute({
  method: 'get',
  path: '/healthz',
  operationId: 'health',
  tags: ['Operation'],
  summary: 'Whether this process answers',
  responses: { 200: healthy },
})

const readiness = createRoute({
  method: 'get',
  path: '/readyz',
  operationId: 'readiness',
  tags: ['Operation'],
  summary: 'Whether this process can do its work',
  responses: {
    200: healthy,
    503: { description: 'No, and why', content: { 'application/json': { schema: Unavailable } } },
  },
})

/** Probes; and /metrics where a second port for it is not wanted. It is for operators and not in the contract. */
export function registerHealth(app: OpenAPIHono<ApiEnv>, { ready, metricsText }: ApiDeps): void {
  app.openapi(health, (c) => c.json({ status: 'ok' as const }, 200))
  app.openapi(readiness, (c) => {
    const { ok, reason } = ready?.() ?? { ok: true, reason: undefined }
    if (ok) return c.json({ status: 'ok' as const }, 200)
    return c.json({ status: 'unavailable' as const, reason: reason ?? 'not ready' }, 503)
  })
  if (metricsText === undefined) return
  app.get('/metrics', async (c) => c.body(await metricsText.text(), 200, { 'Content-Type': metricsText.contentType }))
}
