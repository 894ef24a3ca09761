import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { MemoryLog } from '../tests/fakes/local.ts'
import { endLeftSandboxes, findLeft } from './left-sandboxes.ts'

/** A program that waits, under any name and with any arguments. */
async function start(folder: string, name: string, ...args: string[]): Promise<ChildProcess> {
  const file = join(folder, name)
  if (!existsSync(file)) copyFileSync('/bin/sh', file)
  const child = spawn(file, ['-c', 'echo; read line', ...args], { stdio: ['pipe', 'pipe', 'ignore'] })
  await once(child.stdout, 'data')
  return child
}

it('ends what bubblewrap left of this data folder, and nothing else', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'runlet-left-'))
  const [mine, others] = [join(folder, 'images'), join(folder, 'images-of-others')]
  const log = new MemoryLog()
  const left = await start(folder, 'bwrap', '--ro-bind', `${mine}/agent`, '/opt/agent')
  const safe = [
    await start(folder, 'bwrap', '--ro-bind', `${others}/agent`, '/opt/agent'),
    await start(folder, 'editor', `${mine}/agent`),
  ]
  try {
    expect(findLeft(`${mine}/agent`)).toEqual([left.pid])
    const ended = once(left, 'exit')
    await endLeftSandboxes(mine, log)
    expect(await ended).toEqual([null, 'SIGKILL'])
    expect(safe.map(({ exitCode, signalCode }) => [exitCode, signalCode])).toEqual(safe.map(() => [null, null]))
    await endLeftSandboxes(mine, log)
    expect(log.lines).toEqual(['info Ended half made sandboxes that an earlier process left'])
  } finally {
    for (const child of [left, ...safe]) child.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  }
})
