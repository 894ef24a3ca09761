import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** Words of a command line, and whose part its CPU time is. The first that fits decides. */
const PARTS = [
  ['api/main.ts', 'api'],
  ['runner/main.ts', 'runner'],
  ['beam.smp', 'RabbitMQ'],
  ['kube-apiserver', 'API server'],
  ['etcd', 'etcd'],
  ['kube-controller-manager', 'controllers'],
  ['kubelet', 'kubelet'],
  ['containerd', 'containerd'],
  ['traefik', 'Ingress'],
  ['nginx', 'Ingress'],
  ['agent.pyc', 'sandbox'],
  ['nursery.pyc', 'sandbox'],
  ['usercustomize', 'sandbox'],
] as const

export const PART_NAMES = [...new Set(PARTS.map(([, part]) => part)), 'client'] as const

/** Of /proc/PID/stat, see proc_pid_stat(5): in ticks, and those of children that were waited for. */
const FIRST_TIME = 11
const TICK_MS = 1000 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/**
 * CPU time by part so far, in milliseconds, of all that runs on this machine: so it says something only where the cluster does, too. That of a sandbox's guests is
 * counted when they have ended.
 */
export function cpuByPart(): Map<string, number> {
  const sums = new Map<string, number>()
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const [command, stat] = ['cmdline', 'stat'].map((file) => readOrNothing(`/proc/${pid}/${file}`))
    if (command === undefined || stat === undefined) continue
    const part = Number(pid) === process.pid ? 'client' : PARTS.find(([words]) => command.includes(words))?.[1]
    if (part === undefined) continue
    const times = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const counted = times.slice(FIRST_TIME, FIRST_TIME + (part === 'sandbox' ? 4 : 2))
    const ticks = counted.reduce((sum, time) => sum + Number(time), 0)
    sums.set(part, (sums.get(part) ?? 0) + ticks * TICK_MS)
  }
  return sums
}

/** A process may have ended since it was listed. */
function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
