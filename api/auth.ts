import { createHash, timingSafeEqual } from 'node:crypto'
import type { MiddlewareHandler } from 'hono'
import { AppError } from '../core/errors.ts'

/** A hash of a key as `apiKeys` takes it: SHA-256, hex. */
export const KEY_HASH = /^[0-9a-f]{64}$/

/**
 * Lets pass who shows one of the keys as `Authorization: Bearer KEY`. Hashes are compared, in constant time each, and all of them: how long it takes tells nothing.
 * @throws AppError unauthorized
 */
export function requireApiKey(keyHashes: readonly string[]): MiddlewareHandler {
  const known = keyHashes.map((hash) => Buffer.from(hash, 'hex'))
  return async (c, next) => {
    const [, key] = /^Bearer +(\S+) *$/i.exec(c.req.header('authorization') ?? '') ?? []
    const hash = createHash('sha256')
      .update(key ?? '')
      .digest()
    const matches = known.filter((one) => timingSafeEqual(one, hash)).length
    if (key === undefined || matches === 0) {
      c.header('WWW-Authenticate', 'Bearer realm="runlet"')
      throw new AppError('unauthorized', 'Send a valid API key: "Authorization: Bearer KEY"')
    }
    await next()
  }
}
