import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { fakeApi } from '../../tests/fakes/api.ts'

const { app } = fakeApi()
const page = async () => await (await app.request('/docs')).text()
const policyOf = (response: Response) => response.headers.get('content-security-policy') ?? ''

describe('the documentation', () => {
  it.each(['/docs', '/docs/'])('%s is a page', async (path) => {
    const response = await app.request(path)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/html; charset=UTF-8')
    expect(await response.text()).toContain('<div id="swagger-ui">')
  })

  it('has only parts that this server serves, each with its type', async () => {
    const parts = [...(await page()).matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url ?? '')
    expect(parts).toHaveLength(4)
    for (const url of parts) {
      expect(url).toMatch(/^\/docs\/[a-z0-9.-]+$/)
      const response = await app.request(url)
      expect(response.status).toBe(200)
      expect(response.headers.get('content-type')).toMatch(/^(text\/(css|javascript); charset=utf-8|image\/png)$/)
    }
  })

  it('serves the files of the package as they are', async () => {
    for (const name of ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png']) {
      const file = readFileSync(fileURLToPath(import.meta.resolve(`swagger-ui-dist/${name}`)))
      const response = await app.request(`/docs/${name}`)
      expect(Buffer.from(await response.arrayBuffer()).equals(file)).toBe(true)
    }
  })

  it('forbids every other origin, inline scripts and eval', async () => {
    const policy = policyOf(await app.request('/docs'))
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("script-src 'self';")
    expect(policy).toContain("connect-src 'self';")
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval/)
    expect(await page()).not.toMatch(/<script>|\son\w+=/)
  })

  it('shows our own document and asks no validator on the internet', async () => {
    const script = await (await app.request('/docs/start.js')).text()
    const shown: unknown[] = []
    new Function('SwaggerUIBundle', script)((options: unknown) => shown.push(options))
    expect(shown).toEqual([{ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null }])
  })

  it('serves nothing else of the package', async () => {
    for (const path of ['/docs/package.json', '/docs/..%2fpackage.json', '/docs/index.html']) {
      expect((await app.request(path)).status).toBe(404)
    }
  })
})
