import type { MiddlewareHandler } from 'hono'
import { cors } from 'hono/cors'

/** As browsers send it: a scheme, a host, and a port where it is not the scheme's own; or `*` for all. */
export const ORIGIN = /^(\*|https?:\/\/[a-z0-9.-]+(:\d{1,5})?|https?:\/\/\[[0-9a-f:]+\](:\d{1,5})?)$/

/** What a page may see of an answer beside its body. */
const EXPOSED = ['Location', 'RateLimit', 'RateLimit-Policy', 'Retry-After', 'Server-Timing']
/** How long a browser need not ask again; Chromium's most. */
const MAX_AGE_SECONDS = 7200

/**
 * Lets pages of these origins call the API from a browser (https://fetch.spec.whatwg.org/#http-cors-protocol). Cookies mean nothing here, so none are let through:
 * a page has no more rights than the key that it sends.
 */
export function allowOrigins(origins: readonly string[]): MiddlewareHandler {
  return cors({
    origin: origins.includes('*') ? '*' : [...origins],
    allowMethods: ['GET', 'POST'],
    allowHeaders: ['Authorization', 'Content-Type', 'traceparent'],
    exposeHeaders: EXPOSED,
    maxAge: MAX_AGE_SECONDS,
  })
}
