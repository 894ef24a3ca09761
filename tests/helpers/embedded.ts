import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const START_MS = 30_000
const STOP_MS = 30_000

export interface EmbeddedOptions {
  env?: Record<string, string>
  /** The data folder of an earlier one, to start again on; else a new one. */
  dataDir?: string
  /** For Node, before the file. */
  nodeArguments?: readonly string[]
}

/** A Runlet process on a port of its own. Disposing ends it and removes its data folder. */
export interface Embedded extends AsyncDisposable {
  url: string
  pid: number
  dataDir: string
  /** All that it wrote to stdout and stderr. */
  output(): string
  /** The signal or the code that it ended with. */
  exited: Promise<NodeJS.Signals | number | null>
  /** SIGKILL: as if somebody pulled the plug of the process. The data folder stays. */
  kill9(): Promise<void>
  /** SIGTERM, and the exit code. The data folder stays. */
  stop(): Promise<number | null>
}

/** Starts the embedded mode and waits until its sandboxes are there. */
export async function startEmbedded({
  env = {},
  dataDir,
  nodeArguments = [],
}: EmbeddedOptions = {}): Promise<Embedded> {
  const folder = dataDir ?? (await mkdtemp(join(tmpdir(), 'runlet-embedded-')))
  const child = spawn(process.execPath, [...nodeArguments, 'local/main.ts'], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0', DATA_DIR: folder, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const exited = once(child, 'exit').then(([code, signal]) => (signal ?? code) as NodeJS.Signals | number | null)
  const end = async (signal: NodeJS.Signals) => {
    if (lives(child)) {
      child.kill(signal)
      await Promise.race([exited, sleep(STOP_MS, undefined, { ref: false })])
    }
    if (lives(child)) throw new Error(`It does not stop:\n${output}`)
    return child.exitCode
  }
  const url = await untilReady(child, () => output)
  return {
    url,
    pid: child.pid ?? 0,
    dataDir: folder,
    output: () => output,
    exited,
    kill9: async () => void (await end('SIGKILL')),
    stop: () => end('SIGTERM'),
    async [Symbol.asyncDispose]() {
      await end('SIGKILL')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Runs `local/main.ts` that is expected not to start: its exit code and what it said. */
export async function failToStart(env: Record<string, string>): Promise<{ code: number | null; output: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'runlet-embedded-'))
  const child = spawn(process.execPath, ['local/main.ts'], {
    env: { PATH: process.env.PATH, PORT: '0', DATA_DIR: folder, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: START_MS,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const [code] = (await once(child, 'close')) as [number | null]
  await rm(folder, { recursive: true, force: true })
  return { code, output }
}

const lives = (child: ChildProcess) => child.exitCode === null && child.signalCode === null

async function untilReady(child: ChildProcess, output: () => string): Promise<string> {
  for (const end = Date.now() + START_MS; Date.now() < end; await sleep(25)) {
    if (!lives(child)) throw new Error(`It did not start:\n${output()}`)
    const url = /http:\/\/[\w.:[\]-]+:\d+/.exec(output())?.[0]
    if (url && (await fetch(`${url}/readyz`)).ok) return url
  }
  child.kill('SIGKILL')
  throw new Error(`It was not ready in ${START_MS} ms:\n${output()}`)
}

export interface ProcessFacts {
  pid: number
  parent: number
  uid: number
  command: string
}

/** Every process of this machine, from /proc. */
export async function processes(): Promise<ProcessFacts[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const found = await Promise.all(pids.map((pid) => processFacts(pid).catch(() => undefined)))
  return found.filter((facts) => facts !== undefined)
}

async function processFacts(pid: number): Promise<ProcessFacts> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ').trim()
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1])
  return { pid, parent: field('PPid'), uid: field('Uid'), command }
}

/** All processes below `root`, however deep. */
export async function descendants(root: number): Promise<ProcessFacts[]> {
  const all = await processes()
  const family = new Set([root])
  for (let size = 0; size !== family.size; ) {
    size = family.size
    for (const { pid, parent } of all) if (family.has(parent)) family.add(pid)
  }
  return all.filter(({ pid }) => pid !== root && family.has(pid))
}

/** Waits until none of these processes is left; those that are. */
export async function untilGone(pids: readonly number[], withinMs = 5000): Promise<ProcessFacts[]> {
  let left: ProcessFacts[] = []
  for (const end = Date.now() + withinMs; Date.now() < end; await sleep(20)) {
    left = (await processes()).filter(({ pid, command }) => pids.includes(pid) && command !== '')
    if (left.length === 0) return []
  }
  return left
}
