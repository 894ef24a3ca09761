import { z } from 'zod'

/** Every mistake in the configuration at once. `message` has one line for each. */
export class ConfigError extends Error {
  constructor(faults: string[]) {
    super(`The configuration is wrong:\n${faults.map((fault) => `  ${fault}`).join('\n')}`)
    this.name = 'ConfigError'
  }
}

/**
 * Reads the environment by a schema whose keys are the names of variables. Variables that the schema does not name are ignored; an empty one counts as not set.
 * @throws ConfigError naming every bad variable. Garbage never becomes a default.
 */
export function readConfig<Schema extends z.ZodObject>(
  schema: Schema,
  environment: Record<string, string | undefined>,
): z.infer<Schema> {
  const given: Record<string, string> = {}
  for (const key of Object.keys(schema.shape)) {
    const value = environment[key]
    if (value !== undefined && value !== '') given[key] = value
  }
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  throw new ConfigError(
    parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}${received(given, issue.path[0])}`),
  )
}

/** A secret must not end up in a log, so the value is shown only where it is short and its name does not say key, password, secret or URL. */
function received(given: Record<string, string>, key: PropertyKey | undefined): string {
  const name = String(key)
  const value = given[name]
  if (value === undefined) return ' (not set)'
  return /KEY|PASSWORD|SECRET|TOKEN|URL/.test(name) || value.length > 80 ? '' : ` (is "${value}")`
}

/** A whole number in a range, written in decimal. */
export const integer = (minimum: number, maximum: number = Number.MAX_SAFE_INTEGER) =>
  z
    .string()
    .regex(/^-?\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(minimum).max(maximum))

/** `true` or `false`, nothing else. */
export const flag = () => z.enum(['true', 'false']).transform((text) => text === 'true')

/** JSON that fits a schema. */
export const json = <Schema extends z.ZodType>(schema: Schema) =>
  z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown
      } catch (error) {
        context.addIssue({ code: 'custom', message: `is not JSON: ${(error as Error).message}` })
        return z.NEVER
      }
    })
    .pipe(schema)

export const port = () => integer(0, 65_535)

export const logLevel = () => z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info')
