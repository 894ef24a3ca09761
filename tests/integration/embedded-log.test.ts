import { describe, expect, it } from 'vitest'
import { startEmbedded } from '../helpers/embedded.ts'
import { client } from '../helpers/embedded-client.ts'

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
})
