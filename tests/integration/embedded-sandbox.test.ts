import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { outputBytes, type ResultFrame } from '../../core/frames.ts'
import { LimitSettings, resolveLimits } from '../../core/limits.ts'
import type { Sandbox } from '../../core/ports.ts'
import { BubblewrapProvider } from '../../local/bubblewrap.ts'
import { chooseIdentities, findBubblewrap, readRootFolders } from '../../local/host.ts'
import { executionId, MemoryLog } from '../fakes/local.ts'
import { descendants, untilGone } from '../helpers/embedded.ts'

const IMAGES = resolve('images')
const LIMITS = resolveLimits(LimitSettings.parse({}))
const FOLDERS = new Map(Object.entries({ python: 'python', javascript: 'node', bash: 'bash' }))

function openProvider(images = IMAGES, folders: ReadonlyMap<string, string> = FOLDERS, startTimeoutMs = 20_000) {
  const rootFolders = readRootFolders()
  const host = {
    bwrap: findBubblewrap('/usr/bin:/bin'),
    images,
    node: process.execPath,
    rootFolders,
    tmpBytes: 64 << 20,
  }
  return new BubblewrapProvider({ host, identity: chooseIdentities(), folders, log: new MemoryLog(), startTimeoutMs })
}

const provider = openProvider()
const start = (language: string) => provider.start(language, new AbortController().signal)
// A test that fails must not leave anything to the next one; one that passes leaves nothing anyway.
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await provider[Symbol.asyncDispose]()
  const left = await descendants(process.pid)
  expect(left.filter(({ command }) => command.includes('agent.py'))).toEqual([])
})

function send(sandbox: Sandbox, code: string): void {
  sandbox.send({ type: 'execute', id: executionId(1), code, stdin: '', args: [], env: {}, files: [], limits: LIMITS })
}

async function execute(
  sandbox: Sandbox,
  code: string,
): Promise<{ result: ResultFrame; stdout: string; stderr: string }> {
  const chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
  const result = await new Promise<ResultFrame>((resolveResult, reject) => {
    sandbox.onFrame((frame) => {
      if (frame.type === 'output') chunks[frame.stream].push(outputBytes(frame))
      if (frame.type === 'result') resolveResult(frame)
    })
    void sandbox.ended.then((end) => reject(new Error(`It ended: ${JSON.stringify(end)}`)))
    send(sandbox, code)
  })
  await sandbox.destroy()
  return { result, stdout: Buffer.concat(chunks.stdout).toString(), stderr: Buffer.concat(chunks.stderr).toString() }
}

/** What a Python program prints as JSON. */
async function look(expression: string): Promise<unknown> {
  const { stdout, stderr } = await execute(
    await start('python'),
    `import json, os, socket\nprint(json.dumps(${expression}))`,
  )
  return stderr === '' ? JSON.parse(stdout) : stderr
}

describe('a sandbox', () => {
  it.each([
    ['python', 'print(6 * 7)'],
    ['javascript', 'console.log(6 * 7)'],
    ['bash', 'echo $((6 * 7))'],
  ])('runs %s once', async (language, code) => {
    const sandbox = await start(language)
    expect(sandbox).toMatchObject({ language, version: expect.stringMatching(/^\d+\.\d+/) })
    const { result, stdout } = await execute(sandbox, code)
    expect([result.cause, result.exitCode, stdout]).toEqual(['exited', 0, '42\n'])
    expect(await sandbox.ended).toEqual({ reason: 'finished' })
  })

  it('shows the system and nothing else of the host', async () => {
    expect(await look("{p: sorted(os.listdir(p)) for p in ('/', '/opt', '/etc', '/tmp')}")).toEqual({
      '/': ['bin', 'dev', 'etc', 'lib', 'lib64', 'opt', 'proc', 'sbin', 'tmp', 'usr'],
      '/opt': ['runlet'],
      '/etc': ['alternatives', 'ld.so.cache', 'passwd'],
      '/tmp': ['work'],
    })
    expect(
      await look("[os.path.exists(p) for p in ('/home', '/root', '/var', '/run', '/sys', '/etc/shadow')]"),
    ).toEqual(Array(6).fill(false))
  })

  it('has a name, a user and an environment of its own', async () => {
    const facts = (await look(
      '[os.getuid(), os.geteuid(), os.getgid(), os.getgroups(), socket.gethostname(), sorted(os.environ)]',
    )) as [number, number, number, number[], string, string[]]
    const [uid, effective, gid, groups, name, environment] = facts
    expect(uid).not.toBe(process.getuid?.())
    expect([uid, uid]).toEqual([effective, gid])
    expect(groups.filter((group) => group !== gid && group !== 65_534)).toEqual([])
    expect(name).toBe('sandbox')
    expect(name).not.toBe(hostname())
    expect(environment).toEqual(['HOME', 'LANG', 'PATH'])
  })

  it('has no capability, and sees no process but its own', async () => {
    const [capabilities, pids] = (await look(
      "[[l.split()[1] for l in open('/proc/self/status') if l.startswith('Cap')], [p for p in os.listdir('/proc') if p.isdigit()]]",
    )) as [string[], string[]]
    expect(new Set(capabilities)).toEqual(new Set(['0000000000000000']))
    expect(pids.length).toBeLessThanOrEqual(3)
  })

  it('has no network', async () => {
    expect(await look("[l.split(':')[0].strip() for l in open('/proc/net/dev') if ':' in l]")).toEqual(['lo'])
    expect(await look("socket.create_connection(('127.0.0.1', 8080))")).toMatch(
      /PermissionError|ConnectionRefused|OSError/,
    )
  })

  it('can write to /tmp and to shared memory, and nowhere else', async () => {
    const places = ['/', '/etc', '/usr', '/dev', '/opt/runlet', '/opt/runlet/python', '/proc', '/tmp', '/dev/shm']
    expect(await look(`[p for p in ${JSON.stringify(places)} if os.access(p, os.W_OK)]`)).toEqual(['/tmp', '/dev/shm'])
    const { stderr } = await execute(await start('python'), "open('/opt/runlet/agent/agent.py', 'a')")
    expect(stderr).toMatch(/PermissionError|Read-only/)
  })

  it('has as much room in /tmp as it was given', async () => {
    const free = "(lambda s: s.f_blocks * s.f_frsize)(os.statvfs('/tmp'))"
    expect(await look(free)).toBe(64 << 20)
  })

  it('ends with everything in it', async () => {
    const sandbox = await start('bash')
    const spoken = Promise.withResolvers<void>()
    sandbox.onFrame((frame) => frame.type === 'output' && spoken.resolve())
    send(sandbox, '(setsid sleep 1000 &) ; trap "" TERM HUP; echo started; sleep 1000')
    await spoken.promise
    const sleepers = async () => (await descendants(process.pid)).filter(({ command }) => command === 'sleep 1000')
    await expect.poll(sleepers).toHaveLength(2)
    const inside = (await sleepers()).map(({ pid }) => pid)
    await Promise.all([sandbox.destroy(), sandbox.destroy()])
    expect(await sandbox.ended).toEqual({ reason: 'finished' })
    expect(await untilGone(inside)).toEqual([])
  })

  it('is lost when its process is killed', async () => {
    const sandbox = await start('python')
    const bwrap = (await descendants(process.pid)).find(({ command }) => command.includes('bwrap'))
    process.kill(bwrap?.pid ?? 0, 'SIGKILL')
    expect(await sandbox.ended).toMatchObject({ reason: 'lost', detail: 'SIGKILL' })
  })
})

describe('an agent that does not behave', () => {
  const images = mkdtempSync(join(tmpdir(), 'runlet-images-'))
  const folders = new Map([['odd', 'odd']])
  for (const folder of ['agent', 'seccomp', 'odd']) mkdirSync(join(images, folder))
  afterAll(() => rmSync(images, { recursive: true }))

  const ready = '{"type": "ready", "protocol": 1, "language": "odd", "version": "1", "slots": 1}'
  async function startOdd(agent: string, timeout = 20_000): Promise<Sandbox> {
    writeFileSync(join(images, 'agent', 'agent.py'), `import sys, time\n${agent}`)
    return openProvider(images, folders, timeout).start('odd', new AbortController().signal)
  }
  const cause = (message: RegExp) => ({
    code: 'sandbox_unavailable',
    message: 'A sandbox for odd could not be started',
    cause: expect.objectContaining({ message: expect.stringMatching(message) }),
  })

  it.each([
    ['crashes', 'raise SystemExit("no seccomp here")', /exit code 1: no seccomp here/],
    ['ends', '', /exit code 0/],
    [
      'reports a fault',
      `print('{"type": "fault", "id": null, "message": "no room"}', flush=True); time.sleep(60)`,
      /no room/,
    ],
    ['writes no frames', 'print("hello", flush=True); time.sleep(60)', /A line is not JSON/],
    ['writes without an end', 'while True: sys.stdout.write("x" * 65536)', /longer than/],
  ])('is no sandbox when it %s', async (_what, agent, message) => {
    await expect(startOdd(agent)).rejects.toMatchObject(cause(message))
  })

  it('is no sandbox when it says nothing in time', async () => {
    await expect(startOdd('time.sleep(60)', 300)).rejects.toMatchObject(cause(/timeout/))
  })

  it('is no sandbox when the caller no longer wants it', async () => {
    const gone = AbortSignal.abort(new Error('not wanted'))
    await expect(openProvider(images, folders).start('odd', gone)).rejects.toMatchObject(cause(/not wanted/))
  })

  it('is lost when it speaks before its execution', async () => {
    const output = `{"type": "output", "id": "x", "stream": "stdout", "data": "", "encoding": "utf8"}`
    const sandbox = await startOdd(
      `print('${ready}', flush=True); time.sleep(0.1); print('${output}', flush=True); time.sleep(60)`,
    )
    expect(await sandbox.ended).toEqual({ reason: 'lost', detail: 'It sent output before its execution' })
    await sandbox.destroy()
  })

  it('does not bother anybody with a flood on stderr', async () => {
    const sandbox = await startOdd(
      `sys.stderr.write('e' * 10_000_000); print('${ready}', flush=True); sys.stdin.read()`,
    )
    await sandbox.destroy()
    expect(await sandbox.ended).toEqual({ reason: 'finished' })
  })

  it('there is none for a language that is not here', async () => {
    await expect(openProvider().start('cobol', new AbortController().signal)).rejects.toMatchObject({
      code: 'sandbox_unavailable',
      message: 'There is no sandbox for cobol here',
    })
  })
})
