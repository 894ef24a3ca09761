import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

/** kubectl and helm as a user has them: from the PATH, against the cluster in KUBECONFIG. */

/** What ended with another status than 0; the message has all that it printed. */
export class CommandError extends Error {
  constructor(command: string, status: number | null, output: string) {
    super(`${command} ended with ${status}:\n${output}`)
    this.name = 'CommandError'
  }
}

/** Runs a program and resolves with its standard output, trimmed. @throws CommandError */
export async function run(command: string, args: readonly string[], options: { stdin?: string } = {}): Promise<string> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const exit = once(child, 'close')
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.stdin ?? '')
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [status] = (await exit) as [number | null]
  if (status !== 0) throw new CommandError([command, ...args].join(' '), status, stdout + stderr)
  return stdout.trim()
}

export const kubectl = (...args: string[]) => run('kubectl', args)

export const helm = (...args: string[]) => run('helm', args)

/** Objects as `kubectl apply` takes them. */
export const apply = (...objects: object[]) =>
  run('kubectl', ['apply', '-f', '-'], { stdin: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }) })

export interface KubeObject {
  metadata: { name: string; labels?: Record<string, string>; annotations?: Record<string, string>; uid: string }
  status?: { phase?: string; containerStatuses?: { restartCount: number; ready: boolean }[] }
}

/** The objects that `kubectl get ARGS` finds. */
export async function getAll(...args: string[]): Promise<KubeObject[]> {
  const list = JSON.parse(await kubectl('get', ...args, '-o', 'json')) as { items: KubeObject[] }
  return list.items
}

/** Resolves with what `probe` gives as soon as that is not undefined or false. @throws Error after `timeoutMs`, with the last error of the probe as its cause. */
export async function eventually<Value>(
  what: string,
  probe: () => Promise<Value | undefined | false>,
  timeoutMs = 60_000,
): Promise<Value> {
  const end = performance.now() + timeoutMs
  let cause: unknown
  while (performance.now() < end) {
    try {
      const value = await probe()
      if (value !== undefined && value !== false) return value
      cause = undefined
    } catch (error) {
      cause = error
    }
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  throw new Error(`Not after ${timeoutMs / 1000} s: ${what}`, { cause })
}
