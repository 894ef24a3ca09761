import { OpenAPIHono } from '@hono/zod-openapi'
import { AppError } from '../core/errors.ts'
import { requireApiKey } from './auth.ts'
import { CallerGuard } from './caller-limits.ts'
import { allowOrigins } from './cors.ts'
import type { ApiDeps, ApiEnv } from './deps.ts'
import { observe } from './observe.ts'
import { registerOpenApi } from './openapi.ts'
import { fromThrown, sendProblem } from './problem.ts'
import { createRequestSchema, toRequestError } from './request.ts'
import { registerCheck } from './routes/check.ts'
import { registerDocs } from './routes/docs.ts'
import { registerHealth } from './routes/health.ts'
import { registerLanguages } from './routes/languages.ts'
import { registerRun } from './routes/run.ts'
import { registerSchedule } from './routes/schedule.ts'
import { traceRequests } from './trace.ts'

const NO_LIMITS = { requests: 0, windowSeconds: 1, runs: 0, outstanding: 0 }

export type ApiApp = OpenAPIHono<ApiEnv>

/**
 * The whole HTTP interface, without a server: `app.fetch` takes a Request and gives a Response, `app.request(path)` is for tests.
 * It is the same on Kubernetes and embedded; only what is behind the ports differs. Whatever goes wrong, the answer is a problem (RFC 9457).
 */
export function createApp(deps: ApiDeps): { app: ApiApp } {
  // Not strict: a slash at the end makes no difference.
  const app: ApiApp = new OpenAPIHono<ApiEnv>({
    strict: false,
    defaultHook: (result) => {
      if (!result.success) throw toRequestError(result.error)
    },
  })
  app.onError(async (thrown, c) => sendProblem(c, await fromThrown(thrown, c), deps.log))
  app.notFound((c) => sendProblem(c, new AppError('not_found'), deps.log))
  app.use(observe(deps))
  if (deps.tracer) app.use('/api/*', traceRequests(deps.tracer))
  // Before keys are looked at: a browser asks without one whether it may send one.
  const { apiKeys = [], corsOrigins = [] } = deps.settings
  if (corsOrigins.length > 0) app.use('/api/*', allowOrigins(corsOrigins))
  const guard = new CallerGuard(deps.settings.callerLimits ?? NO_LIMITS, deps.clock)
  if (apiKeys.length > 0) app.use('/api/*', requireApiKey(apiKeys), guard.countRequest)
  const body = createRequestSchema(deps)
  registerRun(app, deps, body, guard)
  registerSchedule(app, deps, body, guard)
  registerCheck(app, deps)
  registerLanguages(app, deps)
  registerHealth(app, deps)
  registerOpenApi(app)
  registerDocs(app)
  refuseOtherMethods(app)
  return { app }
}

/** Behind every route: 405 with the methods that the path does take, for all others. */
function refuseOtherMethods(app: ApiApp): void {
  const allowed = new Map<string, Set<string>>()
  for (const { method, path } of app.routes.filter((route) => route.method !== 'ALL')) {
    const methods = allowed.get(path) ?? new Set()
    allowed.set(path, methods.add(method))
    if (method === 'GET') methods.add('HEAD')
  }
  for (const [path, methods] of allowed) {
    const allow = [...methods].join(', ')
    app.all(path, (c) => {
      c.header('Allow', allow)
      throw new AppError('method_not_allowed', `This path takes ${allow}`)
    })
  }
}
