import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { AppError } from '../../core/errors.ts'
import type { Lookup } from '../../core/ports.ts'
import { abortedByAny } from '../abort.ts'
import type { ApiDeps, ApiEnv } from '../deps.ts'
import { problemResponses } from '../problem.ts'
import { Accepted, Finished, toFinished } from '../schemas.ts'

/** `?wait=`, in seconds, as milliseconds. */
const wait = (maximumMs: number) =>
  z
    .string({ error: 'must be there once' })
    .regex(/^\d{1,6}(\.\d{1,20})?(e[+-]?\d{1,3})?$/i, 'must be a number of seconds')
    .transform((seconds) => Math.round(Number(seconds) * 1000))
    .refine((milliseconds) => milliseconds <= maximumMs, `must be at most ${maximumMs / 1000}`)
    .default(0)
    .openapi({
      type: 'number',
      minimum: 0,
      maximum: maximumMs / 1000,
      param: { description: 'Seconds to wait for the end before answering' },
    })

const contract = (maxCheckWaitMs: number) =>
  createRoute({
    method: 'get',
    path: '/api/schedule/check/{id}',
    operationId: 'check',
    tags: ['Executions'],
    summary: 'How an execution stands, and its result when it has ended',
    security: [{}, { apiKey: [] }],
    request: {
      params: z.object({ id: z.string().meta({ param: { description: 'What run or schedule answered' } }) }),
      query: z.object({ wait: wait(maxCheckWaitMs) }),
    },
    responses: {
      200: {
        description: 'Queued, running, or finished with its result',
        content: { 'application/json': { schema: z.union([Finished, Accepted]) } },
      },
      ...problemResponses({
        401: 'A valid API key is needed',
        404: 'No execution has this id',
        410: 'The result is no longer kept',
        422: '`wait` is wrong',
        429: 'This key has made too many requests: try again after `Retry-After` seconds',
        500: 'Something is wrong on our side',
        503: 'The results can not be reached: try again after `Retry-After` seconds',
      }),
    },
  })

export function registerCheck(app: OpenAPIHono<ApiEnv>, deps: ApiDeps): void {
  const { ids, clock, settings, publisher } = deps
  app.openapi(contract(settings.maxCheckWaitMs), async (c) => {
    const { id } = c.req.valid('param')
    const madeAt = ids.verify(id)
    if (madeAt === undefined) throw new AppError('execution_unknown')
    const found = await find(deps, id, c.req.valid('query').wait, () => c.req.raw.signal)
    if (found.status === 'final') return c.json(toFinished(found.record), 200)
    const isOld = clock.now() - madeAt > settings.retentionSeconds * 1000
    // A long backlog is no end: it may have waited for all of that time.
    if (isOld && found.status === 'queued' && !(await publisher.mayStillRun(id)))
      throw new AppError('execution_expired')
    return c.json({ id, status: found.status }, 200)
  })
}

/**
 * Looks it up, waiting until the caller goes away or this server drains; a wait that is cut short gives what is known then.
 * `caller` is asked for only when there is something to wait for: the request builds its signal at first use.
 */
async function find(
  { records, draining }: ApiDeps,
  id: string,
  waitMs: number,
  caller: () => AbortSignal,
): Promise<Lookup> {
  if (waitMs === 0 || draining?.aborted) return await records.find(id, 0)
  using cut = abortedByAny([caller(), draining])
  try {
    return await records.find(id, waitMs, cut.signal)
  } catch (error) {
    if (cut.signal.aborted) return await records.find(id, 0)
    throw error
  }
}
