import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { FakeLog } from '../tests/fakes/api.ts'
import { readJsonBody } from './body.ts'
import { fromThrown, sendProblem } from './problem.ts'

const JSON_TYPE = { 'content-type': 'application/json' }

/** Gives back what the handler sees of the body, or the code of the problem. */
async function send(init: RequestInit, maxBodyBytes = 100): Promise<{ status: number; seen: unknown }> {
  const app = new Hono()
  app.onError(async (error, c) => sendProblem(c, await fromThrown(error, c), new FakeLog()))
  app.post('/', readJsonBody(maxBodyBytes), async (c) => c.json({ code: await c.req.json() }))
  const response = await app.request('/', { method: 'POST', ...init })
  const { code } = (await response.json()) as { code: unknown }
  return { status: response.status, seen: code }
}

/** A body of unknown length, as it comes with `Transfer-Encoding: chunked`. */
function chunked(parts: (string | Uint8Array)[]): RequestInit {
  const body = new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(typeof part === 'string' ? new TextEncoder().encode(part) : part)
      controller.close()
    },
  })
  return { body, duplex: 'half', headers: JSON_TYPE }
}

const withLength = (body: string) => ({
  body,
  headers: { ...JSON_TYPE, 'content-length': String(Buffer.byteLength(body)) },
})

describe('readJsonBody', () => {
  it.each([
    'application/json',
    'application/json; charset=utf-8',
    'application/json;charset=UTF-8',
    'APPLICATION/JSON',
    'application/json ; x=y',
  ])('takes %s', async (type) => {
    expect(await send({ body: '[1]', headers: { 'content-type': type } })).toEqual({ status: 200, seen: [1] })
  })

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', 'multipart/form-data', 'json', ''])(
    'refuses the type %j with 415',
    async (type) => {
      const headers = { 'content-type': type }
      expect(await send({ body: '[1]', headers })).toEqual({ status: 415, seen: 'unsupported_media_type' })
    },
  )

  it('refuses a body without a type', async () => {
    const body = new TextEncoder().encode('[1]')
    expect(await send({ body })).toEqual({ status: 415, seen: 'unsupported_media_type' })
  })

  it.each([{}, { headers: JSON_TYPE }, withLength(''), chunked([])])(
    'refuses no body at all with 400 (%#)',
    async (init) => {
      expect(await send(init)).toEqual({ status: 400, seen: 'malformed_json' })
    },
  )

  it.each([
    ['with its length', (text: string) => withLength(text)],
    ['in chunks', (text: string) => chunked([text.slice(0, 3), text.slice(3)])],
  ])('takes a body up to the last byte, %s', async (_how, init) => {
    const text = JSON.stringify('x'.repeat(98))
    expect(await send(init(text))).toMatchObject({ status: 200 })
    expect(await send(init(`${text} `))).toEqual({ status: 413, seen: 'body_too_large' })
  })

  it('stops reading at the limit', async () => {
    let pulled = 0
    const body = new ReadableStream({
      pull(controller) {
        pulled++
        controller.enqueue(new Uint8Array(50).fill(32))
      },
    })
    expect(await send({ body, duplex: 'half', headers: JSON_TYPE })).toMatchObject({ status: 413 })
    expect(pulled).toBeLessThan(10)
  })

  it('joins characters that chunks cut in two', async () => {
    const bytes = new TextEncoder().encode('"ä"')
    expect(await send(chunked([bytes.slice(0, 2), bytes.slice(2)]))).toEqual({ status: 200, seen: 'ä' })
  })

  it('refuses what is not UTF-8 instead of replacing it', async () => {
    const latin1 = Buffer.from('"ä"', 'latin1')
    expect(await send(chunked([latin1]))).toEqual({ status: 400, seen: 'malformed_json' })
    expect(await send({ body: latin1, headers: JSON_TYPE })).toEqual({ status: 400, seen: 'malformed_json' })
  })

  it('refuses a body that breaks off', async () => {
    const body = new ReadableStream({ start: (controller) => controller.error(new Error('reset')) })
    const init = { body, duplex: 'half' as const, headers: { ...JSON_TYPE, 'content-length': '5' } }
    expect(await send(init)).toEqual({ status: 400, seen: 'malformed_json' })
  })
})
