import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { LimitSettings } from '../core/limits.ts'
import { fakeApi } from '../tests/fakes/api.ts'
import { defaultOpenApi } from './default-openapi.ts'

interface Operation {
  operationId: string
  summary: string
  tags: string[]
  parameters?: { name: string; in: string; required?: boolean; schema: object }[]
  requestBody?: { required?: boolean; content: Record<string, { schema: { $ref: string } }> }
  responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>
}
interface Document {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, { properties: Record<string, Record<string, unknown>>; required?: string[] }> }
  tags: { name: string }[]
}

const document = JSON.parse(defaultOpenApi()) as Document
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
)

/** Every value under every key, at any depth. */
function* walk(value: unknown, key = ''): Generator<[key: string, value: unknown]> {
  yield [key, value]
  if (typeof value !== 'object' || value === null) return
  for (const [name, inner] of Object.entries(value)) yield* walk(inner, name)
}

describe('openapi.json', () => {
  it('is up to date: `npm run openapi` writes it', () => {
    expect(readFileSync(join(import.meta.dirname, '..', 'openapi.json'), 'utf8')).toBe(defaultOpenApi())
  })
})

describe('the document', () => {
  it('has every route of the interface', () => {
    expect(operations.map(({ method, path }) => `${method} ${path}`).sort()).toEqual([
      'get /api/languages',
      'get /api/schedule/check/{id}',
      'get /healthz',
      'get /readyz',
      'post /api/run',
      'post /api/schedule',
    ])
  })

  it('is OpenAPI 3.1: references lead somewhere, types are those of JSON Schema', () => {
    expect(document.openapi).toBe('3.1.0')
    const types = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null', 'http']
    for (const [key, value] of walk(document)) {
      if (key === '$ref') {
        const name = /^#\/components\/schemas\/(\w+)$/.exec(String(value))?.[1]
        expect(document.components.schemas, String(value)).toHaveProperty(name ?? '(no name)')
      }
      if (key === 'type' && typeof value !== 'object') expect(types).toContain(value)
      if (key === 'nullable') expect.unreachable('a word of OpenAPI 3.0')
    }
  })

  it.each(operations)('describes $method $path whole', ({ path, operation }) => {
    const tags = document.tags.map(({ name }) => name)
    expect(operation.summary).not.toBe('')
    expect(operation.tags.every((tag) => tags.includes(tag))).toBe(true)
    for (const [status, { description, content }] of Object.entries(operation.responses)) {
      expect(status).toMatch(/^[2-5]\d\d$/)
      expect(description).not.toBe('')
      const type = Number(status) < 400 || path === '/readyz' ? 'application/json' : 'application/problem+json'
      expect(Object.keys(content ?? {})).toEqual([type])
    }
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path')
    expect(declared.map(({ name }) => name)).toEqual(inPath)
    expect(declared.every(({ required }) => required === true)).toBe(true)
  })

  it('calls each operation by a name of its own', () => {
    const names = operations.map(({ operation }) => operation.operationId)
    expect(new Set(names).size).toBe(names.length)
  })

  it('requires the bodies: without that, no body at all would count as an empty object', () => {
    const bodies = operations.filter(({ method }) => method === 'post').map(({ operation }) => operation.requestBody)
    expect(bodies).toHaveLength(2)
    for (const body of bodies) {
      expect(body?.required).toBe(true)
      expect(body?.content).toEqual({
        'application/json': { schema: { $ref: '#/components/schemas/ExecutionRequest' } },
      })
    }
  })

  it('says of every limit what it may be', () => {
    const request = document.components.schemas.ExecutionRequest
    expect(request?.required).toEqual(['language', 'code'])
    const properties = request?.properties.limits?.properties as Record<string, object>
    const { wallTimeMs } = LimitSettings.parse({})
    expect(properties.wallTimeMs).toMatchObject({ minimum: 10, maximum: wallTimeMs.maximum })
    expect(Object.keys(properties)).toHaveLength(5)
  })

  it('is served with the limits of this server', async () => {
    const limits = LimitSettings.parse({ wallTimeMs: { maximum: 77_000 } })
    const { app } = fakeApi({}, { limits })
    const served = await (await app.request('/openapi.json/')).text()
    expect(served).toContain('"maximum":77000')
  })
})
