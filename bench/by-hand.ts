import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'

export interface Command {
  name: string
  file: string
  args: string[]
}

/** The interpreters that Runlet is compared with. */
export const BY_HAND = {
  python: { name: "python3 -c 'print(1)'", file: '/usr/bin/python3', args: ['-c', 'print(1)'] },
  javascript: { name: "node -e 'console.log(1)'", file: process.execPath, args: ['-e', 'console.log(1)'] },
} satisfies Record<string, Command>

// An empty environment, as a stranger's shell would not have NODE_EXTRA_CA_CERTS, which alone doubles Node's start.
const env = { PATH: '/usr/bin:/bin' }

/** Starts the interpreter once and waits for its end: milliseconds. */
export function timeByHand({ file, args }: Command): number {
  const start = performance.now()
  const { status } = spawnSync(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  if (status !== 0) throw new Error(`${file} ended with ${status}`)
  return performance.now() - start
}

/** How many a second can be started by hand, `parallel` at a time. */
export async function rateByHand(command: Command, parallel: number, total: number): Promise<number> {
  let left = total
  const start = performance.now()
  const worker = async () => {
    while (left-- > 0) {
      const child: ChildProcess = spawn(command.file, command.args, { env, stdio: ['ignore', 'pipe', 'ignore'] })
      child.stdout?.resume()
      await once(child, 'close')
    }
  }
  await Promise.all(Array.from({ length: parallel }, worker))
  return (total * 1000) / (performance.now() - start)
}
