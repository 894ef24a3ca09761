import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { ApiEnv } from '../deps.ts'

/** Everything comes from this server. Styles in attributes are how Swagger UI lays out its tables; images in `data:` are its icons. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Runlet API</title>
    <link rel="stylesheet" href="/docs/swagger-ui.css">
    <link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`

/** `validatorUrl: null`: by default the page asks a server on the internet whether the document is valid. */
const START = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null })
`

const FILES = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
}

/** The documentation: a page, its start script, and files of the package swagger-ui-dist, each read when first asked for. */
export function registerDocs(app: OpenAPIHono<ApiEnv>): void {
  app.get('/docs', (c) => {
    c.header('Content-Security-Policy', POLICY)
    return c.html(PAGE)
  })
  app.get('/docs/start.js', (c) => c.body(START, 200, { 'Content-Type': 'text/javascript; charset=utf-8' }))
  for (const [name, type] of Object.entries(FILES)) {
    let content: Uint8Array<ArrayBuffer> | undefined
    app.get(`/docs/${name}`, (c) => {
      content ??= new Uint8Array(readFileSync(fileURLToPath(import.meta.resolve(`swagger-ui-dist/${name}`))))
      // An hour: the name stays the same when the package is updated.
      return c.body(content, 200, { 'Content-Type': type, 'Cache-Control': 'public, max-age=3600' })
    })
  }
}
