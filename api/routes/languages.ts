import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { REQUESTABLE_LIMITS, type RequestableLimit } from '../../core/limits.ts'
import type { ApiDeps, ApiEnv, Versions } from '../deps.ts'
import { problemResponses } from '../problem.ts'
import { LanguageInfo } from '../schemas.ts'

const contract = createRoute({
  method: 'get',
  path: '/api/languages',
  operationId: 'languages',
  tags: ['Executions'],
  summary: 'The languages of this server, with the limits that a request may ask for',
  security: [{}, { apiKey: [] }],
  responses: {
    200: {
      description: 'All languages',
      content: { 'application/json': { schema: z.array(LanguageInfo) } },
    },
    ...problemResponses({
      401: 'A valid API key is needed',
      429: 'This key has made too many requests: try again after `Retry-After` seconds',
      500: 'Something is wrong on our side',
    }),
  },
})

export function registerLanguages(app: OpenAPIHono<ApiEnv>, deps: ApiDeps): void {
  const limits = Object.fromEntries(REQUESTABLE_LIMITS.map((name) => [name, deps.limits[name]])) as Record<
    RequestableLimit,
    { default: number; maximum: number }
  >
  app.openapi(contract, async (c) => {
    const versions = new Map(Object.entries(await knownVersions(deps)))
    const infos = deps.languages.all.map(({ name, aliases }) => ({
      name,
      aliases: [...aliases],
      version: versions.get(name) ?? null,
      limits,
    }))
    return c.json(infos, 200)
  })
}

/** Not worth an error: the rest of the answer is right without them. */
async function knownVersions({ versions, log }: ApiDeps): Promise<Versions> {
  try {
    return (await versions?.()) ?? {}
  } catch (error) {
    log.warn({ error }, 'The versions of the languages are not known')
    return {}
  }
}
