import type { Context, MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { AppError } from '../core/errors.ts'

const JSON_TYPE = /^application\/json *(;|$)/i

/** JSON is UTF-8 (RFC 8259); `fatal` because replaced bytes would silently run another program than the one that was sent. */
const decoder = new TextDecoder('utf-8', { fatal: true })

/**
 * Reads the body of a request once, never more of it than allowed, and leaves its text where the schema's validator takes it from.
 * @throws AppError body_too_large (also chunked), unsupported_media_type, malformed_json when it is empty or not UTF-8
 */
export function readJsonBody(maxBodyBytes: number): MiddlewareHandler {
  const refuse = (): never => {
    throw new AppError('body_too_large', `The body must have at most ${maxBodyBytes} bytes`)
  }
  const limitUnknownLength = bodyLimit({ maxSize: maxBodyBytes, onError: refuse })
  return async (c, next) => {
    const read = async () => {
      const text = await readText(c)
      // Hono's type says string, what it stores there is the promise of one.
      c.req.bodyCache.text = Promise.resolve(text) as unknown as string & (() => Promise<string>)
      await next()
    }
    // A length that is given is one that Node's parser enforces; looking at it spares building a stream (0.05 ms) for bodyLimit to count.
    const length = c.req.header('transfer-encoding') === undefined ? c.req.header('content-length') : undefined
    if (length === undefined) return await limitUnknownLength(c, read)
    if (Number(length) > maxBodyBytes) refuse()
    await read()
  }
}

async function readText(c: Context): Promise<string> {
  const bytes = await c.req.raw.arrayBuffer().catch((cause: unknown) => {
    throw new AppError('malformed_json', 'The body ended before its end', { cause })
  })
  if (bytes.byteLength === 0) throw new AppError('malformed_json', 'The body is empty: it must be a JSON object')
  if (!JSON_TYPE.test(c.req.header('content-type') ?? '')) throw new AppError('unsupported_media_type')
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new AppError('malformed_json', 'The body is not valid UTF-8', { cause })
  }
}
