import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from '../core/errors.ts'
import { Program } from '../core/execution.ts'
import { Languages } from '../core/languages.ts'
import { LIMIT_MINIMA, LimitSettings, REQUESTABLE_LIMITS } from '../core/limits.ts'
import { createRequestSchema, toProgram, toRequestError } from './request.ts'

const limits = LimitSettings.parse({})
const languages = new Languages([
  { name: 'python', aliases: ['py'] },
  { name: 'javascript', aliases: ['js'] },
])
const schema = createRequestSchema({ languages, limits })
const minimal = { language: 'python', code: 'print(1)' }

/** The fields that a body is refused for, with the messages; empty when it is taken. */
function faults(body: unknown): { [field: string]: string } {
  const parsed = schema.safeParse(body)
  if (parsed.success) return {}
  return Object.fromEntries(toRequestError(parsed.error).faults.map(({ field, message }) => [field, message]))
}
const faultsWith = (more: object) => faults({ ...minimal, ...more })
const file = (more: object) => ({ name: 'a', content: '', ...more })

describe('the request', () => {
  it('needs a language and code, nothing else', () => {
    expect(schema.parse(minimal)).toEqual({ ...minimal, stdin: '', args: [], env: {}, files: [], limits: {} })
  })

  it.each([null, [], 'text', 7, true])('is an object, not %j', (body) => {
    expect(faults(body)).toEqual({ '': 'must be an object' })
  })

  it('names everything that is missing', () => {
    expect(faults({})).toEqual({ language: 'is required', code: 'is required' })
  })

  it('names every unknown field, also inside', () => {
    expect(faultsWith({ codes: 1, limits: { wallTime: 1 }, files: [file({ mode: 1 })] })).toEqual({
      codes: 'is not a known field',
      'limits.wallTime': 'is not a known field',
      'files[0].mode': 'is not a known field',
    })
  })

  it('does not take __proto__ for a field', () => {
    const body = JSON.parse('{"language":"python","code":"","__proto__":{"stdin":"x"}}')
    expect(Object.entries(faults(body))).toEqual([['__proto__', 'is not a known field']])
    expect(({} as Record<string, unknown>).stdin).toBeUndefined()
  })

  it.each([
    ['code', 7],
    ['stdin', null],
    ['language', ['python']],
  ])('says that %s must be a string', (field, value) => {
    expect(faultsWith({ [field]: value })).toEqual({ [field]: 'must be a string' })
  })

  it.each([
    ['args', 'x', 'must be a list'],
    ['files', {}, 'must be a list'],
    ['env', [], 'must be an object'],
    ['limits', 5, 'must be an object'],
  ])('says what %s must be', (field, value, message) => {
    expect(faultsWith({ [field]: value })).toEqual({ [field]: message })
  })

  it('takes an empty program', () => {
    expect(faultsWith({ code: '' })).toEqual({})
  })
})

describe('language', () => {
  it.each([
    ['python', 'python'],
    ['PY', 'python'],
    ['JavaScript', 'javascript'],
    ['Js', 'javascript'],
  ])('%s is %s', (given, name) => expect(schema.parse({ ...minimal, language: given }).language).toBe(name))

  it.each(['cobol', '', ' python', 'constructor', '__proto__'])('%j is refused with all that are known', (given) => {
    expect(faultsWith({ language: given })).toEqual({ language: 'must be one of: python, py, javascript, js' })
  })
})

describe('text', () => {
  const places: [string, (text: string) => object][] = [
    ['code', (text) => ({ code: text })],
    ['stdin', (text) => ({ stdin: text })],
    ['args[1]', (text) => ({ args: ['ok', text] })],
    ['env.NAME', (text) => ({ env: { NAME: text } })],
    ['files[0].name', (text) => ({ files: [file({ name: text })] })],
    ['files[0].content', (text) => ({ files: [file({ content: text })] })],
  ]

  it.each(places)('in %s has no NUL, and the remedy is told', (field, place) => {
    const message = 'must not contain the NUL character: send binary data in files, with encoding base64'
    expect(faultsWith(place('a\0b'))).toEqual({ [field]: message })
  })

  it.each(places)('in %s has no lone surrogate, and the remedy is told', (field, place) => {
    const message = 'must not contain a lone surrogate: send binary data in files, with encoding base64'
    expect(faultsWith(place('a\ud800'))).toEqual({ [field]: message })
    expect(faultsWith(place('\udc00a'))).toEqual({ [field]: message })
  })

  it.each(places)('in %s may be of any other characters', (_field, place) => {
    expect(faultsWith(place('\u{1f600}\u0001\t\uffff\ufffd'))).toEqual({})
  })
})

describe('args and env', () => {
  it('may have 256 arguments and 128 variables, not one more', () => {
    const env = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`V${index}`, '']))
    expect(faultsWith({ args: Array(256).fill(''), env: env(128) })).toEqual({})
    expect(faultsWith({ args: Array(257).fill('') })).toEqual({ args: 'must have at most 256 entries' })
    expect(faultsWith({ env: env(129) })).toEqual({ env: 'must have at most 128 entries' })
  })

  it.each(['A', '_', 'a1', 'PYTHONPATH', 'constructor', 'toString'])('takes the variable %s', (name) => {
    expect(schema.parse({ ...minimal, env: { [name]: 'x' } }).env).toEqual({ [name]: 'x' })
  })

  it.each(['', '1A', 'A=B', 'A B', 'A-B', 'Ä', 'A\0', 'A\n'])('refuses the variable %j', (name) => {
    expect(Object.values(faultsWith({ env: { [name]: 'x' } }))).toEqual([
      'is no name for a variable: A-Z a-z 0-9 _ are allowed',
    ])
  })

  it('refuses the variable __proto__ instead of losing it', () => {
    const body = JSON.parse('{"language":"python","code":"","env":{"__proto__":"x"}}')
    expect(faults(body)).toEqual({ env: '__proto__ can not be the name of a variable' })
  })

  it('has the bounds of the kernel: 128 KiB for each, and 1 MiB together', () => {
    const most = 'a'.repeat(131_071)
    expect(faultsWith({ args: [most] })).toEqual({})
    expect(faultsWith({ args: [`${most}a`] })).toEqual({ 'args[0]': 'must have at most 131071 bytes' })
    expect(faultsWith({ env: { A: 'ä'.repeat(65_536) } })).toEqual({ 'env.A': 'must have at most 131071 bytes' })
    expect(faultsWith({ args: Array(9).fill(most) }).args).toContain('at most 1048576 bytes together')
  })
})

describe('files', () => {
  it('are text when nothing is said', () => {
    expect(schema.parse({ ...minimal, files: [file({ content: 'x' })] }).files).toEqual([
      { name: 'a', content: 'x', encoding: 'utf8' },
    ])
  })

  it('may be 100, and 10,000 are refused by their number alone', () => {
    const files = (count: number) => Array.from({ length: count }, (_, index) => file({ name: `f${index}` }))
    expect(faultsWith({ files: files(100) })).toEqual({})
    expect(faultsWith({ files: files(10_000) })).toEqual({ files: 'must have at most 100 entries' })
    expect(faultsWith({ files: Array(1_000_000).fill({}) })).toEqual({ files: 'must have at most 100 entries' })
  })

  it.each(['../a', '/a', 'a/../b', 'a\\b', ''])('refuse the name %j', (name) => {
    expect(Object.keys(faultsWith({ files: [file({ name })] }))).toEqual(['files[0].name'])
  })

  it('have each name once', () => {
    expect(faultsWith({ files: [file({}), file({})] })).toEqual({ 'files[1].name': 'is there twice' })
  })

  it.each(['', 'AA==', 'AAA=', 'AAAA', '+/+/'])('take the base64 %j', (content) => {
    expect(faultsWith({ files: [file({ content, encoding: 'base64' })] })).toEqual({})
  })

  it.each(['A', 'AA', 'AAA', 'AA=A', '====', 'A-_A', 'AA==\n', 'AAAA AAAA', '*'])('refuse the base64 %j', (content) => {
    expect(faultsWith({ files: [file({ content, encoding: 'base64' })] })).toEqual({
      'files[0].content': 'must be base64 with padding and no line breaks',
    })
  })

  it('refuse another encoding', () => {
    expect(Object.keys(faultsWith({ files: [file({ encoding: 'latin1' })] }))).toEqual(['files[0].encoding'])
  })
})

describe('limits', () => {
  it.each(REQUESTABLE_LIMITS)('%s goes from its minimum to the maximum of the server', (name) => {
    const { maximum } = limits[name]
    const minimum = LIMIT_MINIMA[name]
    expect(faultsWith({ limits: { [name]: maximum } })).toEqual({})
    expect(faultsWith({ limits: { [name]: minimum } })).toEqual({})
    const field = `limits.${name}`
    const above = `must be at most ${maximum}, the maximum of this server`
    expect(faultsWith({ limits: { [name]: maximum + 1 } })).toEqual({ [field]: above })
    expect(faultsWith({ limits: { [name]: minimum - 1 } })).toEqual({ [field]: `must be at least ${minimum}` })
  })

  it.each([1.5, '1000', null, -0.1])('are whole numbers, not %j', (value) => {
    expect(faultsWith({ limits: { wallTimeMs: value } })).toEqual({ 'limits.wallTimeMs': 'must be a whole number' })
  })

  it.each(['openFiles', 'fileSizeBytes'])('leave %s to the operator', (name) => {
    expect(faultsWith({ limits: { [name]: 100 } })).toEqual({ [`limits.${name}`]: 'is not a known field' })
  })
})

describe('toProgram', () => {
  it('leaves nothing open', () => {
    const request = schema.parse({ ...minimal, language: 'PY', limits: { wallTimeMs: 500 } })
    expect(toProgram(request, limits)).toEqual({
      language: 'python',
      code: 'print(1)',
      stdin: '',
      args: [],
      env: {},
      files: [],
      limits: {
        wallTimeMs: 500,
        cpuTimeMs: 10_000,
        memoryBytes: 134_217_728,
        outputBytes: 65_536,
        processes: 64,
        openFiles: 256,
        fileSizeBytes: 67_108_864,
      },
    })
  })

  it('passes on what was asked for, character by character', () => {
    const text = fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0'))
    const request = fc.record({ code: text, stdin: text, args: fc.array(text, { maxLength: 5 }) })
    fc.assert(
      fc.property(request, (asked) => {
        const program = toProgram(schema.parse({ language: 'js', ...asked }), limits)
        expect(program).toMatchObject({ language: 'javascript', ...asked })
        expect(Program.parse(program)).toEqual(program)
      }),
    )
  })
})

describe('toRequestError', () => {
  it('says the first three faults in a sentence and counts the rest', () => {
    const parsed = schema.safeParse({ ...minimal, a: 1, b: 2, c: 3, d: 4 })
    const error = toRequestError(parsed.error as NonNullable<typeof parsed.error>)
    expect(error).toBeInstanceOf(AppError)
    expect(error.code).toBe('invalid_request')
    expect(error.message).toBe('a is not a known field; b is not a known field; c is not a known field; and 1 more')
  })
})

describe('whatever is sent', () => {
  it('is taken or refused with a field and a reason, never thrown', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (body) => {
        const parsed = schema.safeParse(body)
        if (parsed.success) return
        const { faults: found } = toRequestError(parsed.error)
        expect(found.length).toBeGreaterThan(0)
        for (const { message } of found) expect(message).not.toBe('')
      }),
    )
  })
})
