import { afterAll, beforeAll, describe, it } from 'vitest'
import { type Embedded, startEmbedded } from '../helpers/embedded.ts'
import { client } from '../helpers/embedded-client.ts'
import { goToLimit, LIMIT_CASES } from '../helpers/limit-cases.ts'

let server: Embedded
beforeAll(async () => {
  server = await startEmbedded({ env: { LOG_LEVEL: 'warn' } })
})
afterAll(() => server[Symbol.asyncDispose]())

describe('embedded, a program at its limit', () => {
  it.each(LIMIT_CASES)('of $name gets what the limit says, and the next one runs at once', async (limited) => {
    const { run } = client(server.url)
    await goToLimit(limited, async (code, limits) => (await run('python', code, { limits })).body)
  })
})
