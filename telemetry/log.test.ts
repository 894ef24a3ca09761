import { describe, expect, it } from 'vitest'
import { createLog, describeError, type LogLevel } from './log.ts'

function logInto(level: LogLevel = 'info') {
  const lines: Record<string, unknown>[] = []
  const log = createLog({ name: 'api', level }, { write: (line) => void lines.push(JSON.parse(line)) })
  return { log, lines }
}

describe('createLog', () => {
  it('writes one JSON object a line, with the level as a word and the time in ISO', () => {
    const { log, lines } = logInto()
    log.info({ language: 'python' }, 'Ready')
    expect(lines).toEqual([
      { level: 'info', time: expect.stringMatching(/^\d{4}-.*Z$/), name: 'api', language: 'python', msg: 'Ready' },
    ])
  })

  it.each([
    ['debug', 4],
    ['info', 3],
    ['warn', 2],
    ['error', 1],
    ['silent', 0],
  ] as const)('at %s writes %i of four lines', (level, count) => {
    const { log, lines } = logInto(level)
    log.debug({}, 'a')
    log.info({}, 'b')
    log.warn({}, 'c')
    log.error({}, 'd')
    expect(lines).toHaveLength(count)
  })

  it('keeps the fields of a child', () => {
    const { log, lines } = logInto()
    log.child({ runner: 'r1' }).warn({ id: 'x' }, 'Slow')
    expect(lines[0]).toMatchObject({ runner: 'r1', id: 'x', level: 'warn', name: 'api' })
  })

  it.each(['error', 'err'])('describes what is in the field %s with its causes', (field) => {
    const { log, lines } = logInto()
    log.error({ [field]: new Error('outer', { cause: new TypeError('inner') }) }, 'Failed')
    expect(lines[0]?.[field]).toMatchObject({
      type: 'Error',
      message: 'outer',
      cause: { type: 'TypeError', message: 'inner' },
    })
  })
})

describe('describeError', () => {
  it('leaves alone what is no error', () => {
    expect(describeError('text')).toBe('text')
    expect(describeError(undefined)).toBeUndefined()
  })

  it('shows both sides of a SuppressedError: the one from the release and the one before it', () => {
    const error = new SuppressedError(new Error('release'), new Error('original', { cause: 'socket' }), 'both')
    expect(describeError(error)).toMatchObject({
      type: 'SuppressedError',
      cause: { message: 'release' },
      suppressed: { message: 'original', cause: 'socket' },
    })
  })

  it('shows the code of a system error and the members of an AggregateError', () => {
    const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
    expect(describeError(new AggregateError([refused], 'all failed'))).toMatchObject({
      message: 'all failed',
      errors: [{ code: 'ECONNREFUSED' }],
    })
  })

  it('ends on a chain without an end', () => {
    const error = new Error('round')
    error.cause = error
    expect(JSON.stringify(describeError(error))).toContain('(more causes)')
  })

  it('is what is thrown when a release fails after a failure', async () => {
    const { log, lines } = logInto()
    const work = async () => {
      await using scope = new AsyncDisposableStack()
      scope.defer(() => Promise.reject(new Error('could not close')))
      throw new Error('the real reason')
    }
    await work().catch((error: unknown) => log.error({ error }, 'Stopped'))
    expect(JSON.stringify(lines)).toContain('the real reason')
    expect(JSON.stringify(lines)).toContain('could not close')
  })
})
