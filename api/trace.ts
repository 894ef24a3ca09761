import type { MiddlewareHandler } from 'hono'
import type { Tracer } from '../core/trace.ts'
import type { ApiEnv } from './deps.ts'
import { methodOf, routeOf } from './observe.ts'

/** A span for each request, part of its caller's trace when the header `traceparent` names one. */
export function traceRequests(tracer: Tracer): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const method = methodOf(c)
    const parent = c.req.header('traceparent')
    const span = tracer.begin(method, { kind: 'server', parent, facts: { 'http.request.method': method } })
    try {
      await tracer.within(span, next)
      const route = routeOf(c)
      span.rename(`${method} ${route}`)
      span.note({ 'http.route': route, 'http.response.status_code': c.res.status })
      if (c.res.status >= 500) span.fail(String(c.res.status))
    } finally {
      span.end()
    }
  }
}
