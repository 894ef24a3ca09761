import { spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { PASSWD_FD } from './bubblewrap-command.ts'

const PROBE_MS = 10_000

export interface ProbeEnd {
  /** Null when it could not be started, or was killed because it took too long. */
  code: number | null
  stdout: string
  stderr: string
}

/** Runs bwrap once, to its end, and tells what it printed. */
export async function spawnProbe(probe: {
  file: string
  arguments: readonly string[]
  passwd: string
}): Promise<ProbeEnd> {
  const child = spawn(probe.file, probe.arguments, {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'ignore'],
    env: {},
    cwd: '/',
    timeout: PROBE_MS,
    killSignal: 'SIGKILL',
  })
  const passwd = child.stdio[PASSWD_FD] as Writable
  passwd.on('error', () => {})
  passwd.end(probe.passwd)
  const ended = new Promise<{ code: number | null; error: string }>((resolve) => {
    child.on('error', (error) => resolve({ code: null, error: error.message }))
    child.on('close', (code) => resolve({ code, error: '' }))
  })
  const [stdout, stderr, { code, error }] = await Promise.all([read(child.stdout), read(child.stderr), ended])
  return { code, stdout, stderr: stderr + error }
}

function read(stream: Readable | null): Promise<string> {
  return stream ? text(stream).catch(() => '') : Promise.resolve('')
}
