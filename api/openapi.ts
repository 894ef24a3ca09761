import type { OpenAPIHono } from '@hono/zod-openapi'
import type { ApiEnv } from './deps.ts'

const DESCRIPTION = `Runs programs in sandboxes that nobody shares.

What happens to a program is data: an answer with status 200 says how it ended. Only trouble of this server, or a request that it does not understand, is an error of HTTP (RFC 9457).

All paths work with and without a slash at the end.`

/** The contract as OpenAPI 3.1, out of the schemas that the routes check with. */
export function openApiDocument(app: OpenAPIHono<ApiEnv>) {
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Runlet',
      version: '1.0.0',
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    tags: [{ name: 'Executions' }, { name: 'Operation' }],
  })
}

/** Declares the key that operators may ask for, and serves the document; it is made at the first request, once. */
export function registerOpenApi(app: OpenAPIHono<ApiEnv>): void {
  app.openAPIRegistry.registerComponent('securitySchemes', 'apiKey', {
    type: 'http',
    scheme: 'bearer',
    description: 'Only where the operator has set keys',
  })
  let document: string | undefined
  app.get('/openapi.json', (c) => {
    document ??= JSON.stringify(openApiDocument(app))
    return c.body(document, 200, { 'Content-Type': 'application/json' })
  })
}
