import { expect } from 'vitest'
import type { z } from 'zod'
import { createApp } from '../../api/app.ts'
import { type ApiDeps, type ApiSettings, DEFAULT_SETTINGS } from '../../api/deps.ts'
import { ExecutionIds } from '../../core/ids.ts'
import { Languages } from '../../core/languages.ts'
import { LimitSettings } from '../../core/limits.ts'
import type { Log } from '../../core/log.ts'
import { createMetrics } from '../../telemetry/metrics.ts'
import { FakePublisher } from './publisher.ts'
import { FakeRecords } from './records.ts'

export const NOW = Date.parse('2026-01-31T12:00:00Z')

/** Keeps lines as [level, fields, message]. */
export class FakeLog implements Log {
  readonly lines: [string, object, string][] = []
  debug = (fields: object, message: string) => void this.lines.push(['debug', fields, message])
  info = (fields: object, message: string) => void this.lines.push(['info', fields, message])
  warn = (fields: object, message: string) => void this.lines.push(['warn', fields, message])
  error = (fields: object, message: string) => void this.lines.push(['error', fields, message])
  child = () => this
}

/** The API on fakes, at a time that stands still. `call` sends a request and holds the answer against what the contract declares. */
export function fakeApi(settings: Partial<ApiSettings> = {}, more: Partial<ApiDeps> = {}) {
  const fakes = { publisher: new FakePublisher(), records: new FakeRecords(), log: new FakeLog() }
  const ids = new ExecutionIds('a key for tests only')
  const metrics = createMetrics()
  let ticks = 0
  const { app } = createApp({
    ...fakes,
    ids,
    metrics,
    languages: new Languages([
      { name: 'python', aliases: ['py', 'python3'] },
      { name: 'javascript', aliases: ['js', 'node'] },
    ]),
    limits: LimitSettings.parse({}),
    clock: { now: () => NOW, monotonic: () => ticks++, sleep: async () => undefined },
    settings: { ...DEFAULT_SETTINGS, ...settings },
    ...more,
  })

  /** The answer with its body as JSON, once it has been found to be exactly what the route declares for its status. */
  async function call(path: string, init: RequestInit = {}) {
    const response = await app.request(path, init)
    const text = await response.text()
    const body: unknown = text === '' ? undefined : JSON.parse(text)
    const schema = declaredSchema(path, init.method ?? 'GET', response)
    if (schema !== undefined) expect(schema.parse(body)).toEqual(body)
    return { status: response.status, headers: response.headers, body: body as Record<string, unknown> }
  }

  const post = (path: string, json: unknown, headers: Record<string, string> = {}) =>
    call(path, {
      method: 'POST',
      body: typeof json === 'string' ? json : JSON.stringify(json),
      headers: { 'content-type': 'application/json', ...headers },
    })

  /** Undefined where no route is: 404 and 405, whose shape the tests of problems look at. */
  function declaredSchema(path: string, method: string, response: Response): z.ZodType | undefined {
    const pathname = new URL(path, 'http://localhost').pathname.replace(/\/$/, '')
    const route = app.openAPIRegistry.definitions
      .flatMap((definition) => (definition.type === 'route' ? [definition.route] : []))
      .find((one) => one.method.toUpperCase() === method && matches(one.path, pathname))
    if (route === undefined) return undefined
    const declared = route.responses[response.status]
    const type = response.headers.get('content-type') ?? ''
    const content = declared !== undefined && 'content' in declared ? declared.content?.[type] : undefined
    expect(content, `${method} ${path} declares ${response.status} ${type}`).toBeDefined()
    return content !== undefined && 'schema' in content ? (content.schema as z.ZodType) : undefined
  }

  return { app, call, post, ids, metrics, ...fakes }
}

function matches(template: string, pathname: string): boolean {
  return new RegExp(`^${template.replaceAll(/\{.+?\}/g, '[^/]+')}$`).test(pathname)
}
