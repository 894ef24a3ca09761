import { createRoute, type OpenAPIHono } from '@hono/zod-openapi'
import { readJsonBody } from '../body.ts'
import type { CallerGuard } from '../caller-limits.ts'
import type { ApiDeps, ApiEnv } from '../deps.ts'
import { checkLocation, createEnvelope } from '../executions.ts'
import type { RequestSchema } from '../request.ts'
import { Accepted, LocationHeader } from '../schemas.ts'
import { SUBMIT_PROBLEMS } from './run.ts'

const contract = (body: RequestSchema, maxBodyBytes: number) =>
  createRoute({
    method: 'post',
    path: '/api/schedule',
    operationId: 'schedule',
    tags: ['Executions'],
    summary: 'Hand over a program and ask for its result later',
    security: [{}, { apiKey: [] }],
    middleware: [readJsonBody(maxBodyBytes)] as const,
    request: { body: { required: true, content: { 'application/json': { schema: body } } } },
    responses: {
      202: {
        description: 'It is kept and will run: `Location` is where its result will be',
        headers: LocationHeader,
        content: { 'application/json': { schema: Accepted } },
      },
      ...SUBMIT_PROBLEMS,
    },
  })

export function registerSchedule(
  app: OpenAPIHono<ApiEnv>,
  deps: ApiDeps,
  body: RequestSchema,
  guard: CallerGuard,
): void {
  const { publisher, metrics, settings } = deps
  app.openapi(contract(body, settings.maxBodyBytes), async (c) => {
    const asked = guard.outstandingOf(c)
    const envelope = { ...createEnvelope(c.req.valid('json'), deps), ...(asked && { caller: asked.caller }) }
    await publisher.schedule(envelope, asked?.maximum)
    metrics.add('runlet_executions_accepted_total', { language: envelope.program.language, kind: 'schedule' })
    const { id } = envelope
    return c.json({ id, status: 'queued' as const }, 202, { Location: checkLocation(id) })
  })
}
