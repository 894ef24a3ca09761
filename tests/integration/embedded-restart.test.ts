import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { descendants, type Embedded, type EmbeddedOptions, startEmbedded, untilGone } from '../helpers/embedded.ts'
import { client } from '../helpers/embedded-client.ts'

const started: Embedded[] = []
async function start(options: EmbeddedOptions = {}): Promise<Embedded> {
  const server = await startEmbedded({ ...options, env: { WARM: '1', MAX: '1', ...options.env } })
  started.push(server)
  return server
}
afterEach(async () => {
  for (const server of started.splice(0)) await server[Symbol.asyncDispose]()
})

const slow = 'import time; time.sleep(0.5); print("done")'

describe('kill -9', () => {
  it('loses nothing that was accepted', async () => {
    const first = await start()
    const accepted = await Promise.all(Array.from({ length: 20 }, () => client(first.url).schedule('python', slow)))
    expect(accepted.map(({ status }) => status)).toEqual(Array(20).fill(202))
    await first.kill9()
    const second = await start({ dataDir: first.dataDir, env: { MAX: '4' } })
    const ends = await Promise.all(accepted.map(({ body }) => client(second.url).check(body.id, 60)))
    expect(ends.map(({ body }) => [body.status, body.stdout])).toEqual(Array(20).fill(['succeeded', 'done\n']))
  })

  it('runs again what was running, and does not run again what was done', async () => {
    const first = await start()
    const done = (await client(first.url).schedule('python', 'import time; print(time.time())')).body.id
    const before = (await client(first.url).check(done, 30)).body
    const interrupted = (await client(first.url).schedule('python', 'import time; time.sleep(3); print("done")')).body
      .id
    await expect.poll(async () => (await client(first.url).check(interrupted)).body.status).toBe('running')
    const family = (await descendants(first.pid)).map(({ pid }) => pid)
    await first.kill9()
    expect(await untilGone(family)).toEqual([])
    const second = await start({ dataDir: first.dataDir })
    expect((await client(second.url).check(interrupted)).body.status).not.toBe('succeeded')
    expect((await client(second.url).check(interrupted, 30)).body).toMatchObject({
      status: 'succeeded',
      stdout: 'done\n',
    })
    expect((await client(second.url).check(done)).body).toEqual(before)
  })

  it('keeps a run whose caller was told to ask again', async () => {
    // Long enough for a sandbox to be found on a busy machine, or the answer would be 503.
    const first = await start({ env: { RUN_WAIT_MS: '3000' } })
    const late = await client(first.url).run('python', 'import time; time.sleep(5); print("late")')
    expect(late).toMatchObject({ status: 202, body: { status: expect.stringMatching(/^(queued|running)$/) } })
    await first.kill9()
    const second = await start({ dataDir: first.dataDir })
    expect((await client(second.url).check(late.body.id, 30)).body).toMatchObject({
      status: 'succeeded',
      stdout: 'late\n',
    })
  })

  it('gives up in the end what it kills each time', async () => {
    const first = await start({ env: { DELIVERY_LIMIT: '1' } })
    const { id } = (await client(first.url).schedule('python', 'import time; time.sleep(30)')).body
    let server = first
    for (const _attempt of [1, 2]) {
      await expect.poll(async () => (await client(server.url).check(id)).body.status, { timeout: 5000 }).toBe('running')
      await server.kill9()
      server = await start({ dataDir: first.dataDir, env: { DELIVERY_LIMIT: '1' } })
    }
    expect((await client(server.url).check(id, 10)).body).toMatchObject({ status: 'lost' })
  })
})

describe('a full queue', () => {
  it('refuses with 503 and says when to come back', async () => {
    const { url } = await start({ env: { QUEUE_MAX_LENGTH: '2' } })
    const answers = []
    for (const _number of [1, 2, 3]) answers.push(await client(url).schedule('python', 'import time; time.sleep(2)'))
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 503])
    expect(answers[2]).toMatchObject({ body: { code: 'queue_full' } })
    expect(Number(answers[2]?.headers.get('retry-after'))).toBeGreaterThan(0)
  })
})

describe('SIGTERM', () => {
  it('lets what runs end, and keeps what waits', async () => {
    const first = await start()
    const ids: string[] = []
    for (const _number of [1, 2, 3]) ids.push((await client(first.url).schedule('python', slow)).body.id)
    await expect.poll(async () => (await descendants(first.pid)).length).toBeGreaterThan(2)
    const family = (await descendants(first.pid)).map(({ pid }) => pid)
    expect(await first.stop()).toBe(0)
    expect(await untilGone(family, 100)).toEqual([])
    const second = await start({ dataDir: first.dataDir })
    for (const id of ids)
      expect((await client(second.url).check(id, 30)).body).toMatchObject({ status: 'succeeded', stdout: 'done\n' })
  })
})

describe('the data folder', () => {
  it('is its owner’s alone, and one process’s at a time', async () => {
    const { dataDir } = await start()
    const modes = await Promise.all(
      ['', ...(await readdir(dataDir))].map(async (name) => [name, (await stat(join(dataDir, name))).mode & 0o077]),
    )
    expect(modes.filter(([name]) => name === '' || name === 'id.key')).toEqual([
      ['', 0],
      ['id.key', 0],
    ])
    await expect(startEmbedded({ dataDir })).rejects.toThrow(
      /Another Runlet is using .*runlet\.db; stop it, or set DATA_DIR/,
    )
  })
})
