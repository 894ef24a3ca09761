import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { describe, expect, it } from 'vitest'
import { AppError, ERROR_CODES } from '../core/errors.ts'
import { FakeLog } from '../tests/fakes/api.ts'
import { fromThrown, Problem, problemResponses, sendProblem, toProblem } from './problem.ts'

/** What a client gets when a handler throws this. */
async function answerTo(thrown: unknown, log = new FakeLog(), init: RequestInit = {}) {
  const app = new Hono()
  app.onError(async (error, c) => sendProblem(c, await fromThrown(error, c), log))
  app.all('/', () => Promise.reject(thrown))
  return await app.request('/', init)
}

describe('a problem', () => {
  it.each(ERROR_CODES)('of the code %s has the status and title of the table', async (code) => {
    const error = new AppError(code, 'this time')
    const response = await answerTo(error)
    expect(response.status).toBe(error.kind.http)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(Problem.parse(await response.json())).toEqual({
      type: `urn:runlet:problem:${code}`,
      title: error.kind.title,
      status: error.kind.http,
      detail: code === 'internal' ? error.kind.title : 'this time',
      code,
      errors: [],
    })
  })

  it.each(ERROR_CODES)('of the code %s says when to try again if and only if that helps', async (code) => {
    const response = await answerTo(new AppError(code))
    const retryAfter = response.headers.get('retry-after')
    if (response.status === 503 || response.status === 429) expect(Number(retryAfter)).toBeGreaterThan(0)
    else expect(retryAfter).toBeNull()
  })

  it('hides what went wrong inside, and logs it', async () => {
    const log = new FakeLog()
    const cause = new Error('password=hunter2')
    const response = await answerTo(cause, log)
    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain('hunter2')
    expect(log.lines).toMatchObject([['error', { error: { code: 'internal', cause } }, 'Request refused']])
  })

  it('logs as loud as the table says', async () => {
    const log = new FakeLog()
    await answerTo(new AppError('not_found'), log)
    await answerTo(new AppError('queue_full'), log)
    expect(log.lines.map(([level]) => level)).toEqual(['debug', 'warn'])
  })

  it('logs a stack only where it tells more than the code', async () => {
    const log = new FakeLog()
    const caused = new AppError('queue_unavailable', undefined, { cause: new Error('reset') })
    await answerTo(new AppError('queue_unavailable'), log)
    await answerTo(caused, log)
    expect(log.lines.map(([, fields]) => fields)).toEqual([
      { code: 'queue_unavailable', method: 'GET' },
      { code: 'queue_unavailable', method: 'GET', error: caused },
    ])
  })

  it('cuts what a caller can make long', () => {
    const faults = Array.from({ length: 1000 }, () => ({ field: 'x'.repeat(1000), message: 'is not known' }))
    const { errors } = toProblem(new AppError('invalid_request', 'bad', { faults }))
    expect(errors).toHaveLength(51)
    expect(errors[0]?.field).toHaveLength(123)
    expect(errors[50]).toEqual({ field: '', message: 'and 950 more' })
  })

  it('never cuts a character in two', () => {
    const faults = [{ field: `${'x'.repeat(119)}\u{1f600}tail`, message: '' }]
    const [error] = toProblem(new AppError('invalid_request', 'bad', { faults })).errors
    expect(error?.field.isWellFormed()).toBe(true)
  })
})

describe('an exception of the framework', () => {
  it.each([
    [400, 'malformed_json'],
    [413, 'body_too_large'],
    [415, 'unsupported_media_type'],
    [418, 'internal'],
  ] as const)('of status %i is the code %s', async (status, code) => {
    expect(await (await answerTo(new HTTPException(status))).json()).toMatchObject({ code })
  })

  it.each([
    ['{"a": 1,}', 'there is a mistake at position 8 (line 1 column 9)'],
    ['{"a": ', 'it ends too early'],
    ['{"secret": oops', 'The body is not JSON'],
  ])('of status 400 says where %j breaks, and quotes none of it', async (body, where) => {
    const response = await answerTo(new HTTPException(400), new FakeLog(), { method: 'POST', body })
    const { detail } = Problem.parse(await response.json())
    expect(detail).toContain(where)
    expect(detail).not.toContain('secret')
  })
})

describe('problemResponses', () => {
  it('declares each status with the schema of a problem', () => {
    const declared = problemResponses({ 404: 'gone', 503: 'later' })
    expect(declared[404]).toEqual({ description: 'gone', content: { 'application/problem+json': { schema: Problem } } })
    expect(declared[503]).toMatchObject({ description: 'later', headers: expect.anything() })
  })
})
