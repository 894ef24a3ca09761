import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import type { Log } from '../core/log.ts'

const run = promisify(execFile)

/**
 * Ends the processes whose numbers it is given, each only when its command line is still the one that was seen: the kernel gives numbers out again, but a pidfd
 * stays with its process, and Node has none.
 */
const END = `
import os, signal, sys
wanted = os.fsencode(sys.argv[1])
for pid in map(int, sys.argv[2:]):
    try:
        held = os.pidfd_open(pid)
        with open(f"/proc/{pid}/cmdline", "rb") as file: words = file.read().split(b"\\0")
        if os.path.basename(words[0]) == b"bwrap" and wanted in words: signal.pidfd_send_signal(held, signal.SIGKILL)
    except OSError: pass  # It is gone, or somebody else's.
`

/**
 * Ends what an earlier process on this data folder left behind. When that was killed while bubblewrap set a sandbox up, its half made child waits for ever for a
 * word of its parent; a sandbox that was ready ends by itself. To be called with the folder's lock held: then no other process of ours can be using `images`.
 *
 * @param images absolute path of the folder that only sandboxes of this data folder are shown
 */
export async function endLeftSandboxes(images: string, log: Log): Promise<void> {
  const shown = `${images}/agent`
  const left = findLeft(shown)
  if (left.length === 0) return
  await run('/usr/bin/python3', ['-I', '-S', '-c', END, shown, ...left.map(String)], { timeout: 10_000 })
  log.info({ processes: left.length }, 'Ended half made sandboxes that an earlier process left')
}

/** Processes of bubblewrap that show this path to a sandbox. */
export function findLeft(shown: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const words = commandOf(pid)
      return /(^|\/)bwrap$/.test(words[0] ?? '') && words.includes(shown)
    })
}

function commandOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return []
  }
}
