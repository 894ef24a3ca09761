import { z } from '@hono/zod-openapi'
import { AppError, type FieldFault } from '../core/errors.ts'
import { Encoding, type Program } from '../core/execution.ts'
import type { Languages } from '../core/languages.ts'
import { LIMIT_MINIMA, type LimitSettings, type RequestableLimit, resolveLimits } from '../core/limits.ts'
import { fileNameFault, fileNamesFaults, type PathFault } from './file-names.ts'

export const MAX_ARGS = 256
export const MAX_ENV = 128
export const MAX_FILES = 100

/** Linux takes no argument and no `NAME=value` of 128 KiB or more (MAX_ARG_STRLEN), its zero byte included. */
const MAX_ARGUMENT_BYTES = 128 * 1024 - 1
/** All of them together have a quarter of the stack limit, 2 MiB as a rule; half of it leaves room for what we add. */
const MAX_ARGUMENTS_BYTES = 1024 * 1024

const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/
const AS_BASE64 = 'send binary data in files, with encoding base64'

/** Why a string can't be handed to a program as text, or undefined. */
function textFault(text: string): string | undefined {
  if (text.includes('\0')) return `must not contain the NUL character: ${AS_BASE64}`
  return text.isWellFormed() ? undefined : `must not contain a lone surrogate: ${AS_BASE64}`
}

type Check = (value: string) => string | undefined

/** A string that passes all checks; the first fault is the one that is told. */
const text = (...checks: Check[]) =>
  z
    .string({ error: ({ input }) => (input === undefined ? 'is required' : 'must be a string') })
    .superRefine((value, context) => {
      for (const check of [textFault, ...checks]) {
        const message = check(value)
        if (message !== undefined) return context.addIssue({ code: 'custom', message })
      }
    })

const argumentFault: Check = (value) =>
  Buffer.byteLength(value) > MAX_ARGUMENT_BYTES ? `must have at most ${MAX_ARGUMENT_BYTES} bytes` : undefined

const RequestFile = z
  .strictObject({
    name: text(fileNameFault).meta({
      description:
        'Relative to the work folder, with `/` between folders. A file of the name of the program itself (`main.py`) is replaced by the program.',
      examples: ['helpers/greet.py'],
    }),
    content: text().meta({ description: 'Text, or base64 (RFC 4648, section 4) when `encoding` says so' }),
    encoding: Encoding.default('utf8'),
  })
  .superRefine(({ content, encoding }, context) => {
    if (encoding === 'base64' && !(content.length % 4 === 0 && BASE64.test(content))) {
      context.addIssue({ code: 'custom', path: ['content'], message: 'must be base64 with padding and no line breaks' })
    }
  })

const language = (languages: Languages) =>
  text()
    .transform((name, context) => {
      const resolved = languages.resolve(name)
      if (resolved !== undefined) return resolved
      context.addIssue({ code: 'custom', message: `must be one of: ${languages.known.join(', ')}` })
      return z.NEVER
    })
    .meta({
      description: 'Name or alias, in any case; `GET /api/languages` lists them',
      examples: ['python', 'javascript'],
    })

const limit = (minimum: number, bounds: { default: number; maximum: number }) =>
  z
    .int('must be a whole number')
    .min(minimum, `must be at least ${minimum}`)
    .max(bounds.maximum, `must be at most ${bounds.maximum}, the maximum of this server`)
    .optional()
    .meta({ description: `Default: ${bounds.default}` })

const limits = (settings: LimitSettings) =>
  z.strictObject({
    wallTimeMs: limit(LIMIT_MINIMA.wallTimeMs, settings.wallTimeMs),
    cpuTimeMs: limit(LIMIT_MINIMA.cpuTimeMs, settings.cpuTimeMs),
    memoryBytes: limit(LIMIT_MINIMA.memoryBytes, settings.memoryBytes),
    outputBytes: limit(LIMIT_MINIMA.outputBytes, settings.outputBytes),
    processes: limit(LIMIT_MINIMA.processes, settings.processes),
  } satisfies Record<RequestableLimit, z.ZodType>)

/** What a caller may ask for: the body of run and schedule, checked to the last character, `language` by its canonical name. */
export function createRequestSchema(rules: { languages: Languages; limits: LimitSettings }) {
  const schema = z
    .strictObject({
      language: language(rules.languages),
      code: text().meta({ description: 'The program', examples: ['print("Hello")'] }),
      stdin: text().default('').meta({ description: 'All of standard input' }),
      args: z
        .array(text(argumentFault))
        .max(MAX_ARGS)
        .default([])
        .meta({ description: 'Arguments after the file name' }),
      env: z
        .record(z.string(), text(argumentFault))
        .superRefine((env, context) => report(context, envFaults(env)))
        .default({})
        .meta({ description: 'Environment variables', maxProperties: MAX_ENV }),
      files: z
        .array(RequestFile)
        .max(MAX_FILES)
        .superRefine((files, context) => report(context, fileNamesFaults(files)))
        .default([])
        .meta({ description: 'Written beside the program' }),
      limits: limits(rules.limits).default({}),
    })
    .superRefine(({ args, env }, context) => report(context, argumentsFaults(args, env)))
    .meta({ id: 'ExecutionRequest' })
  return z.preprocess(refuseMasses, schema)
}

export type RequestSchema = ReturnType<typeof createRequestSchema>
export type ExecutionRequest = z.output<RequestSchema>

function report(context: z.RefinementCtx, faults: PathFault[]): void {
  for (const { path, message } of faults) context.addIssue({ code: 'custom', path, message })
}

function envFaults(env: Record<string, string>): PathFault[] {
  const bad = Object.keys(env).filter((name) => !ENV_NAME.test(name))
  return bad.map((name) => ({ path: [name], message: 'is no name for a variable: A-Z a-z 0-9 _ are allowed' }))
}

function argumentsFaults(args: string[], env: Record<string, string>): PathFault[] {
  const strings = [...args, ...Object.entries(env).flat()]
  const bytes = strings.reduce((sum, value) => sum + Buffer.byteLength(value), 0)
  if (bytes <= MAX_ARGUMENTS_BYTES) return []
  const message = `and env must have at most ${MAX_ARGUMENTS_BYTES} bytes together: send more through stdin or files`
  return [{ path: ['args'], message }]
}

/**
 * Counts before anything is looked at: a body full of `files` or `args` costs the schema a mistake each, seconds of CPU for a few megabytes.
 * `__proto__` is refused here because zod drops it from a record without a word.
 */
function refuseMasses(body: unknown, context: z.RefinementCtx): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body
  const { args, env, files } = body as Record<string, unknown>
  const refuse = (field: string, message: string) => context.addIssue({ code: 'custom', path: [field], message })
  if (Array.isArray(args) && args.length > MAX_ARGS) refuse('args', `must have at most ${MAX_ARGS} entries`)
  if (Array.isArray(files) && files.length > MAX_FILES) refuse('files', `must have at most ${MAX_FILES} entries`)
  if (typeof env === 'object' && env !== null) {
    if (Object.keys(env).length > MAX_ENV) refuse('env', `must have at most ${MAX_ENV} entries`)
    if (Object.hasOwn(env, '__proto__')) refuse('env', '__proto__ can not be the name of a variable')
  }
  return context.issues.length > 0 ? z.NEVER : body
}

/** The program that a checked request asks for, with nothing left open. */
export function toProgram({ limits: asked, ...rest }: ExecutionRequest, settings: LimitSettings): Program {
  return { ...rest, limits: resolveLimits(settings, asked) }
}

/** What a schema had to say, as the error that a caller gets. */
export function toRequestError(error: z.core.$ZodError): AppError {
  const faults = error.issues.flatMap(toFaults)
  const named = faults.slice(0, 3).map(({ field, message }) => `${field.slice(0, 60) || 'the body'} ${message}`)
  const detail = `${named.join('; ')}${faults.length > 3 ? `; and ${faults.length - 3} more` : ''}`.toWellFormed()
  return new AppError('invalid_request', detail, { faults })
}

function toFaults(issue: z.core.$ZodIssue): FieldFault[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ field: fieldName([...issue.path, key]), message: 'is not a known field' }))
  }
  const message = issue.code === 'invalid_type' ? (EXPECTED[issue.expected] ?? issue.message) : issue.message
  return [{ field: fieldName(issue.path), message }]
}

/** For what has no words of its own in the schema. */
const EXPECTED: { [Type in string]?: string } = {
  object: 'must be an object',
  record: 'must be an object',
  array: 'must be a list',
}

/** `limits.wallTimeMs`, `files[2].name`. */
function fieldName(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '')
}
