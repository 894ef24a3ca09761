import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { startEmbedded } from '../helpers/embedded.ts'
import { client } from '../helpers/embedded-client.ts'
import { markedProgram } from '../helpers/marked-program.ts'

interface Line {
  id?: string
  msg: string
  sandbox?: string
  status?: string
}

describe('the log', () => {
  it('tells the way of one execution through all parts by its id, and nothing of what it is', async () => {
    await using server = await startEmbedded({ env: { LOG_LEVEL: 'debug', WARM: '1', MAX: '1' } })
    const api = client(server.url)
    const { body } = await api.schedule('python', 'print("a secret of 42")')
    expect(await api.check(body.id, 30)).toMatchObject({ body: { status: 'succeeded' } })
    await api.run('python', 'print(2)')
    const followed = () =>
      server
        .output()
        .split('\n')
        .flatMap((text) => (text.startsWith('{') ? [JSON.parse(text) as Line] : []))
        .filter(({ id }) => id === body.id)
    await expect
      .poll(() => followed().map(({ msg }) => msg))
      .toEqual([
        'A request became an execution',
        'An execution was delivered',
        'An execution got its sandbox',
        'An execution ended',
        'A record was written',
      ])
    const sandboxes = followed().flatMap(({ sandbox }) => sandbox ?? [])
    expect(new Set(sandboxes).size).toBe(1)
    expect(followed()).toContainEqual(expect.objectContaining({ status: 'succeeded' }))
    expect(server.output()).not.toContain('secret')
  })

  it('holds nothing of a caller, whatever goes well or wrong', async () => {
    const key = 'marker-key'
    const hash = createHash('sha256').update(key).digest('hex')
    await using server = await startEmbedded({ env: { LOG_LEVEL: 'trace', API_KEY_HASHES: hash } })
    const post = async (path: string, body: unknown, authorization = `Bearer ${key}`) => {
      const headers = { authorization, 'content-type': 'application/json' }
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      return (await fetch(`${server.url}${path}`, { method: 'POST', headers, body: text })).status
    }
    const program = markedProgram((what) => `marker-${what}`)
    const statuses = [
      await post('/api/run/', program),
      await post('/api/schedule', program),
      await post('/api/run/', { ...program, 'marker-field': 1, limits: { 'marker-limit': 1 } }),
      await post('/api/run/', '{"code": "marker-broken'),
      await post('/api/run/', program, 'Bearer marker-wrong'),
      (await fetch(`${server.url}/api/schedule/check/marker-id?wait=marker-wait`)).status,
    ]
    expect(statuses).toEqual([200, 202, 422, 400, 401, 401])
    await expect.poll(() => server.output().match(/A record was written/g)?.length, { timeout: 20_000 }).toBe(2)
    expect(
      server
        .output()
        .split('\n')
        .filter((line) => /marker|MARKER/.test(line) || line.includes(hash)),
    ).toEqual([])
  })
})
