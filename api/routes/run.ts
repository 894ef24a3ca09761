import { createRoute, type OpenAPIHono } from '@hono/zod-openapi'
import type { Timings } from '../../core/ports.ts'
import { readJsonBody } from '../body.ts'
import type { CallerGuard } from '../caller-limits.ts'
import type { ApiDeps, ApiEnv } from '../deps.ts'
import { checkLocation, createEnvelope, resultOrQueued } from '../executions.ts'
import { problemResponses } from '../problem.ts'
import type { RequestSchema } from '../request.ts'
import { Accepted, LocationHeader, RunResult } from '../schemas.ts'
import { serverTiming } from '../server-timing.ts'

const contract = (body: RequestSchema, maxBodyBytes: number, guard: CallerGuard) =>
  createRoute({
    method: 'post',
    path: '/api/run',
    operationId: 'run',
    tags: ['Executions'],
    summary: 'Run a program and wait for its result',
    security: [{}, { apiKey: [] }],
    middleware: [guard.holdRun, readJsonBody(maxBodyBytes)] as const,
    request: { body: { required: true, content: { 'application/json': { schema: body } } } },
    responses: {
      200: { description: 'It ended; `status` says how', content: { 'application/json': { schema: RunResult } } },
      202: {
        description: 'It takes longer than this server waits: `Location` is where its result will be',
        headers: LocationHeader,
        content: { 'application/json': { schema: Accepted } },
      },
      ...SUBMIT_PROBLEMS,
    },
  })

export const SUBMIT_PROBLEMS = problemResponses({
  400: 'The body is empty, or not JSON',
  401: 'A valid API key is needed',
  413: 'The body is too large',
  415: 'The body is not application/json',
  422: 'The request does not fit its schema: every bad field is named',
  429: 'This key is at one of its limits: try again after `Retry-After` seconds',
  500: 'Something is wrong on our side',
  503: 'Try again after `Retry-After` seconds',
})

export function registerRun(app: OpenAPIHono<ApiEnv>, deps: ApiDeps, body: RequestSchema, guard: CallerGuard): void {
  const { publisher, records, metrics, clock, settings } = deps
  app.openapi(contract(body, settings.maxBodyBytes, guard), async (c) => {
    const envelope = createEnvelope(c.req.valid('json'), deps)
    const { id, program } = envelope
    const sentAt = settings.timings ? clock.monotonic() : 0
    const answer = await publisher.run(envelope, settings.runWaitMs)
    metrics.add('runlet_executions_accepted_total', { language: program.language, kind: 'run' })
    if (settings.timings) {
      const own: Timings = { parse: sentAt - c.get('startedAt'), wait: clock.monotonic() - sentAt }
      c.header('Server-Timing', serverTiming({ ...own, ...answer?.timings }))
    }
    if (answer !== undefined) return c.json({ id, ...answer.result }, 200)
    const late = await resultOrQueued(records, id)
    if (late.status === 'final') return c.json({ id, ...late.record.result }, 200)
    return c.json({ id, status: late.status }, 202, { Location: checkLocation(id) })
  })
}
