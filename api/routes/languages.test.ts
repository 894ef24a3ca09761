import { describe, expect, it } from 'vitest'
import { fakeApi } from '../../tests/fakes/api.ts'

describe.each(['/api/languages', '/api/languages/'])('GET %s', (path) => {
  it('lists languages, aliases and what a request may ask for', async () => {
    const { status, body } = await fakeApi().call(path)
    expect(status).toBe(200)
    expect(body).toMatchObject([
      {
        name: 'python',
        aliases: ['py', 'python3'],
        version: null,
        limits: {
          wallTimeMs: { default: 10_000, maximum: 60_000 },
          processes: { default: 64, maximum: 256 },
        },
      },
      { name: 'javascript', aliases: ['js', 'node'] },
    ])
  })

  it('has only the limits that may be asked for', async () => {
    const [language] = (await fakeApi().call(path)).body as unknown as { limits: object }[]
    expect(Object.keys(language?.limits ?? {})).toEqual([
      'wallTimeMs',
      'cpuTimeMs',
      'memoryBytes',
      'outputBytes',
      'processes',
    ])
  })

  it.each([
    ['a map', () => ({ python: '3.13.5' })],
    ['a promise', async () => ({ python: '3.13.5', cobol: '85' })],
  ])('tells the versions that are known, from %s', async (_what, versions) => {
    const { body } = await fakeApi({}, { versions }).call(path)
    expect(body).toMatchObject([
      { name: 'python', version: '3.13.5' },
      { name: 'javascript', version: null },
    ])
  })

  it.each([
    ['rejects', () => Promise.reject(new Error('down'))],
    [
      'throws',
      () => {
        throw new Error('down')
      },
    ],
  ])('answers without them when asking %s', async (_what, versions) => {
    const api = fakeApi({}, { versions })
    const { status, body } = await api.call(path)
    expect([status, body]).toMatchObject([200, [{ version: null }, { version: null }]])
    expect(api.log.lines).toMatchObject([['warn', { error: { message: 'down' } }, expect.any(String)]])
  })
})
