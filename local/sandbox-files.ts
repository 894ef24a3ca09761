import { execFile } from 'node:child_process'
import { chmodSync, cpSync, globSync, mkdirSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Under isolation (-I) and without site (-S), as the agent itself runs. A sandbox cannot write compiled modules, so every start would compile again. */
const COMPILE = `
import compileall, py_compile, re, sys
root = sys.argv[1]
py_compile.compile(root + "/agent/agent.py", root + "/agent/agent.pyc", doraise=True)
compileall.compile_dir(root, quiet=1, rx=re.compile("/agent/"))
`

/**
 * Copies what sandboxes need of `images` to `target`, in place of what was there, with Python compiled (which halves the start of an agent, 50 ms),
 * and readable for every uid: the checkout may be readable for root alone.
 */
export async function prepareSandboxFiles(images: string, target: string): Promise<void> {
  rmSync(target, { recursive: true, force: true })
  const languages = globSync('*/language.json', { cwd: images }).map(dirname)
  for (const folder of ['seccomp', ...languages])
    cpSync(join(images, folder), join(target, folder), { recursive: true, filter: isForSandboxes })
  mkdirSync(join(target, 'agent'), { recursive: true })
  cpSync(join(images, 'agent', 'agent.py'), join(target, 'agent', 'agent.py'))
  await run('/usr/bin/python3', ['-I', '-S', '-c', COMPILE, target], { timeout: 60_000 })
  for (const path of [target, ...globSync('**', { cwd: target }).map((name) => join(target, name))])
    chmodSync(path, statSync(path).isDirectory() ? 0o755 : 0o644)
}

function isForSandboxes(source: string): boolean {
  return !['Dockerfile', '__pycache__'].includes(basename(source))
}
