import type { Context, MiddlewareHandler } from 'hono'
import { routePath } from 'hono/route'
import type { Metrics } from '../core/metrics.ts'
import type { Clock } from '../core/time.ts'
import type { ApiEnv } from './deps.ts'

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/**
 * Every answer has these. No script, frame or other origin has any business with our JSON; the documentation page loosens the policy for itself.
 * There are no CORS headers here: without CORS_ORIGINS a browser on another origin can't read anything.
 */
const SECURITY_HEADERS = Object.entries({
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
})

/** Sets the headers that every answer has, counts it and takes its time. */
export function observe({ clock, metrics }: { clock: Clock; metrics: Metrics }): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const startedAt = clock.monotonic()
    c.set('startedAt', startedAt)
    // Before the handler: then they are in the response from the start, which is faster than changing a finished one.
    for (const [name, value] of SECURITY_HEADERS) c.header(name, value)
    await next()
    const route = routeOf(c)
    metrics.add('runlet_http_requests_total', { route, method: methodOf(c), code: String(c.res.status) })
    metrics.observe('runlet_http_request_seconds', { route }, (clock.monotonic() - startedAt) / 1000)
  }
}

/** The path of the route that answered. Wildcards match what no route does; the paths of the routes are a closed set, those of callers are not. */
export function routeOf(c: Context): string {
  const path = routePath(c, -1)
  return path.includes('*') ? 'other' : path
}

export function methodOf(c: Context): string {
  return METHODS.has(c.req.method) ? c.req.method : 'other'
}
