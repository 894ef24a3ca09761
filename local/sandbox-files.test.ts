import { chmodSync, existsSync, globSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { prepareSandboxFiles } from './sandbox-files.ts'

let folder: string
let images: string
let target: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'runlet-files-'))
  images = join(folder, 'images')
  target = join(folder, 'target')
  write('agent/agent.py', 'print("agent")')
  write('agent/test_agent.py', '')
  write('seccomp/profile.json', '{}')
  write('one/language.json', '{}')
  write('one/warm/hook.py', 'value = 1')
  write('one/warm/__pycache__/hook.cpython-20.pyc', 'stale')
  write('one/Dockerfile', 'FROM scratch')
  write('service/Dockerfile', 'FROM scratch')
})
afterEach(() => rmSync(folder, { recursive: true }))

function write(name: string, text: string): void {
  mkdirSync(join(images, name, '..'), { recursive: true })
  writeFileSync(join(images, name), text)
}
const files = () =>
  globSync('**', { cwd: target })
    .filter((name) => statSync(join(target, name)).isFile())
    .map((name) => name.replace(/\.cpython-\d+/, ''))
    .sort()

describe('prepareSandboxFiles', () => {
  it('copies what a sandbox needs, and compiles it', async () => {
    await prepareSandboxFiles(images, target)
    expect(files()).toEqual([
      'agent/agent.py',
      'agent/agent.pyc',
      'one/language.json',
      'one/warm/__pycache__/hook.pyc',
      'one/warm/hook.py',
      'seccomp/profile.json',
    ])
  })

  it('lets every uid read it, whatever it was copied from', async () => {
    chmodSync(join(images, 'one'), 0o700)
    chmodSync(join(images, 'agent/agent.py'), 0o600)
    await prepareSandboxFiles(images, target)
    const modes = globSync('**', { cwd: target }).map((name) => statSync(join(target, name)).mode & 0o777)
    expect(new Set(modes)).toEqual(new Set([0o755, 0o644]))
  })

  it('leaves nothing of what was there', async () => {
    mkdirSync(target)
    writeFileSync(join(target, 'old'), '')
    await prepareSandboxFiles(images, target)
    expect(existsSync(join(target, 'old'))).toBe(false)
  })

  it('fails with an agent that is no Python', async () => {
    write('agent/agent.py', 'this is no Python')
    await expect(prepareSandboxFiles(images, target)).rejects.toThrow('SyntaxError')
  })
})
