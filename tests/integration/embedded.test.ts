import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { descendants, type Embedded, startEmbedded, untilGone } from '../helpers/embedded.ts'
import { client } from '../helpers/embedded-client.ts'

let server: Embedded
let api: ReturnType<typeof client>
beforeAll(async () => {
  server = await startEmbedded({ env: { LOG_LEVEL: 'warn' } })
  api = client(server.url)
})
afterAll(() => server[Symbol.asyncDispose]())

const succeeded = (stdout: string) => ({
  status: 200,
  body: { status: 'succeeded', exitCode: 0, signal: null, stdout },
})

describe('a run', () => {
  it.each([
    ['python', 'print(6 * 7)'],
    ['py', 'print(6 * 7)'],
    ['javascript', 'console.log(6 * 7)'],
    ['js', 'import { EOL } from "node:os"; process.stdout.write(await Promise.resolve(42) + EOL)'],
    ['bash', 'echo $((6 * 7))'],
  ])('runs %s', async (language, code) => {
    expect(await api.run(language, code)).toMatchObject(succeeded('42\n'))
  })

  it('gets its input, arguments, environment and files', async () => {
    const code = `
import json, os, sys, helper.words
print(json.dumps([input(), sys.argv[1:], os.environ['GREETING'], helper.words.SAY, open('raw.bin', 'rb').read().hex()]))`
    const files = [
      { name: 'helper/words.py', content: 'SAY = "hé"' },
      { name: 'raw.bin', content: '/wA=', encoding: 'base64' },
    ]
    const { body } = await api.run('python', code, {
      stdin: 'line\n',
      args: ['-x', 'a b'],
      env: { GREETING: 'hi' },
      files,
    })
    expect(body.stderr).toBe('')
    expect(JSON.parse(body.stdout)).toEqual(['line', ['-x', 'a b'], 'hi', 'hé', 'ff00'])
  })

  it('prints what it likes', async () => {
    expect(await api.run('python', 'print("😀 \\u200d ñ")')).toMatchObject(succeeded('😀 \u200d ñ\n'))
    const { body } = await api.run('python', 'import sys; sys.stdout.buffer.write(bytes(range(256)))')
    expect(body.stdoutEncoding).toBe('base64')
    expect([...Buffer.from(body.stdout, 'base64')]).toEqual([...Array(256).keys()])
  })

  it.each([
    ['failed', 'python', 'import sys; sys.exit(3)', {}, { exitCode: 3 }],
    ['failed', 'python', 'import os; os.kill(os.getpid(), 11)', {}, { exitCode: null, signal: 'SIGSEGV' }],
    ['timed_out', 'javascript', 'for (;;) ;', { wallTimeMs: 300 }, { exitCode: null, signal: 'SIGKILL' }],
    ['timed_out', 'python', 'while True: pass', { cpuTimeMs: 200 }, {}],
    ['out_of_memory', 'python', 'a = []\nwhile True: a.append(bytearray(1 << 20))', { memoryBytes: 64 << 20 }, {}],
    ['output_limit', 'bash', 'yes', { outputBytes: 1000 }, { truncated: true }],
  ])('that %s says so (%s: %s)', async (status, language, code, limits, more) => {
    expect(await api.run(language, code, { limits })).toMatchObject({ status: 200, body: { status, ...more } })
  })

  it('runs fifty at once', async () => {
    const runs = await Promise.all(
      Array.from({ length: 50 }, (_, number) =>
        number % 2 === 0 ? api.run('python', `print(${number})`) : api.run('bash', `echo ${number}`),
      ),
    )
    expect(runs.map(({ status, body }) => [status, body.stdout])).toEqual(runs.map((_, number) => [200, `${number}\n`]))
  })

  it('leaves nothing to the next one', async () => {
    await api.run('python', 'open("/tmp/secret", "w").write("x"); open("/dev/shm/secret", "w").write("x")')
    const look = 'import os; print([os.path.exists(p + "/secret") for p in ("/tmp", "/tmp/work", "/dev/shm")])'
    expect(await api.run('python', look)).toMatchObject(succeeded('[False, False, False]\n'))
  })

  it('cannot reach this server, its data or its processes', async () => {
    const code = `
import os, socket
try: print(socket.create_connection(('127.0.0.1', ${new URL(server.url).port}), 1))
except OSError as error: print('refused')
print(os.path.exists(${JSON.stringify(server.dataDir)}), os.path.exists('/proc/${server.pid}'))`
    expect(await api.run('python', code)).toMatchObject(succeeded('refused\nFalse False\n'))
  })

  it('is another user than this server, each time', async () => {
    const uids = await Promise.all([1, 2].map(() => api.run('python', 'import os; print(os.getuid())')))
    const [first, second] = uids.map(({ body }) => Number(body.stdout))
    expect(first).toBeGreaterThanOrEqual(50_000)
    if (process.getuid?.() === 0) expect(first).not.toBe(second)
  })
})

describe('a scheduled execution', () => {
  it('is accepted, then queued or running, then done', async () => {
    const accepted = await api.schedule('python', 'import time; time.sleep(1); print("done")')
    expect(accepted).toMatchObject({
      status: 202,
      body: { status: 'queued', id: expect.stringMatching(/^[0-9a-f]{48}$/) },
    })
    const { id } = accepted.body
    expect(accepted.headers.get('location')).toBe(`/api/schedule/check/${id}`)
    expect(['queued', 'running']).toContain((await api.check(id)).body.status)
    expect(await api.check(id, 30)).toMatchObject({ status: 200, body: { id, status: 'succeeded', stdout: 'done\n' } })
    expect(await api.check(id)).toMatchObject({ status: 200, body: { id, status: 'succeeded' } })
  })

  it('finds nothing where nothing was', async () => {
    expect(await api.check('0'.repeat(48))).toMatchObject({ status: 404 })
  })
})

describe('the server', () => {
  it('knows its languages and the versions that run', async () => {
    const { body } = await api.send('/api/languages')
    const version = await api.run('javascript', 'process.stdout.write(process.versions.node)')
    expect(body).toContainEqual(expect.objectContaining({ name: 'javascript', version: version.body.stdout }))
    expect(body.map(({ name }: { name: string }) => name)).toEqual(['bash', 'javascript', 'python'])
  })

  it('refuses a body that is too big, whole or in chunks', async () => {
    const big = { language: 'python', code: 'x'.repeat(10_000_000) }
    expect(await api.send('/api/run/', big)).toMatchObject({ status: 413, body: { code: 'body_too_large' } })
    const stream = new Blob([JSON.stringify(big)]).stream()
    const headers = { 'content-type': 'application/json' }
    const init = { method: 'POST', headers, body: stream, duplex: 'half' } as RequestInit
    expect((await fetch(`${server.url}/api/run/`, init)).status).toBe(413)
  })

  it('says what it does', async () => {
    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    expect(metrics).toMatch(/runlet_executions_total\{language="python",status="succeeded",path="warm"\} \d+/)
  })

  it('keeps at most what it may, and ends it all on SIGTERM', async () => {
    const { url, pid, stop, output, ...rest } = await startEmbedded({ env: { WARM: '1', MAX: '1' } })
    await client(url).run('python', '1')
    const running = client(url).run('python', 'import time; time.sleep(1); print("to the end")')
    await expect.poll(async () => (await descendants(pid)).length).toBeGreaterThan(3)
    await new Promise((resolve) => setTimeout(resolve, 300))
    const family = (await descendants(pid)).map((process) => process.pid)
    const stopped = stop()
    expect(await running).toMatchObject(succeeded('to the end\n'))
    expect(await stopped).toBe(0)
    expect(await untilGone(family, 100)).toEqual([])
    expect(output()).toMatch(/^Runlet listens on http/)
    await rest[Symbol.asyncDispose]()
  })
})
