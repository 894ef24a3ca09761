import { spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { INFO_FD, PASSWD_FD } from './bubblewrap-command.ts'

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
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    env: {},
    cwd: '/',
  })
  const { stdout, stderr } = child
  const passwd = child.stdio[PASSWD_FD] as Writable
  // Nobody reads it, but it must be open: bwrap would take the number for a descriptor of its own.
  const info = child.stdio[INFO_FD] as Readable
  for (const stream of [passwd, info]) stream.on('error', () => {})
  info.resume()
  passwd.end(probe.passwd)
  const timer = setTimeout(() => {
    child.kill('SIGKILL')
    // Whatever still holds the other ends does not keep us.
    for (const stream of [stdout, stderr, passwd, info]) stream?.destroy()
  }, PROBE_MS)
  const ended = new Promise<{ code: number | null; error: string }>((resolve) => {
    child.on('error', (error) => resolve({ code: null, error: error.message }))
    child.on('close', (code) => resolve({ code, error: code === null ? 'it was killed, or took too long' : '' }))
  })
  const [out, errors, { code, error }] = await Promise.all([read(stdout), read(stderr), ended])
  clearTimeout(timer)
  return { code, stdout: out, stderr: errors + error }
}

function read(stream: Readable | null): Promise<string> {
  return stream ? text(stream).catch(() => '') : Promise.resolve('')
}
