import { createHash, timingSafeEqual } from 'node:crypto'
import type { MiddlewareHandler } from 'hono'
import { AppError } from '../core/errors.ts'
import type { ApiEnv } from './deps.ts'

/** A hash of a key as `apiKeys` takes it: SHA-256, hex. */
export const KEY_HASH = /^[0-9a-f]{64}$/

/** How a key is called where its caller is counted: tells keys apart, also in names of queues, and says nothing of the key or its hash. */
export function callerName(keyHash: string): string {
  return createHash('sha256').update(`runlet caller ${keyHash}`).digest('hex').slice(0, 16)
}

/**
 * Lets pass who shows one of the keys as `Authorization: Bearer KEY`. Hashes are compared, in constant time each, and all of them: how long it takes tells nothing.
 * @throws AppError unauthorized
 */
export function requireApiKey(keyHashes: readonly string[]): MiddlewareHandler<ApiEnv> {
  const known = keyHashes.map((hash) => ({ hash: Buffer.from(hash, 'hex'), caller: callerName(hash) }))
  return async (c, next) => {
    const [, key] = /^Bearer +(\S+) *$/i.exec(c.req.header('authorization') ?? '') ?? []
    const hash = createHash('sha256')
      .update(key ?? '')
      .digest()
    const [match] = known.filter((one) => timingSafeEqual(one.hash, hash))
    if (key === undefined || match === undefined) {
      c.header('WWW-Authenticate', 'Bearer realm="runlet"')
      throw new AppError('unauthorized', 'Send a valid API key: "Authorization: Bearer KEY"')
    }
    c.set('caller', match.caller)
    await next()
  }
}
