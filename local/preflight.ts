import { execFile } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import { promisify } from 'node:util'
import { bubblewrapArguments, guestUid, type Host, type Identity, passwd } from './bubblewrap-command.ts'
import { spawnProbe } from './probe.ts'

const run = promisify(execFile)

/** Runlet can't run programs here. `message` says why and what to do, for the person who started it. */
export class PreflightError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'PreflightError'
  }
}

/** 0.8 brought --disable-userns, 0.7 --size; Debian 12 and Ubuntu 24.04 have it. */
const BUBBLEWRAP = { major: 0, minor: 8 }

/** The agent is written for it. */
const PYTHON = { major: 3, minor: 11 }

export interface KernelFacts {
  /** kernel.unprivileged_userns_clone (Debian's and Ubuntu's), undefined where there is no such switch. */
  usernsClone: string | undefined
  /** kernel.apparmor_restrict_unprivileged_userns (Ubuntu 23.10 and newer). */
  apparmorRestricts: string | undefined
  /** user.max_user_namespaces */
  maxUserNamespaces: string | undefined
}

export function readKernelFacts(): KernelFacts {
  return {
    usernsClone: readSetting('/proc/sys/kernel/unprivileged_userns_clone'),
    apparmorRestricts: readSetting('/proc/sys/kernel/apparmor_restrict_unprivileged_userns'),
    maxUserNamespaces: readSetting('/proc/sys/user/max_user_namespaces'),
  }
}

/**
 * Makes sure that programs can be run confined, by starting a sandbox and looking around in it.
 * @throws PreflightError
 */
export async function preflight(host: Host, identity: Identity, facts: KernelFacts): Promise<void> {
  await checkVersion(host.bwrap, 'bubblewrap', 'bubblewrap', BUBBLEWRAP)
  await checkVersion('/usr/bin/python3', 'Python', 'python3', PYTHON)
  const probe = await spawnProbe({
    file: host.bwrap,
    arguments: bubblewrapArguments(host, identity, undefined, ['/bin/sh', '-c', LOOK_AROUND]),
    passwd: passwd(identity),
  })
  if (probe.code !== 0) throw new PreflightError(explainFailure(identity, facts, probe.stderr))
  const fault = findLeak(probe.stdout, identity, NAMESPACES.map(ownNamespace))
  if (fault)
    throw new PreflightError(
      `${host.bwrap} does not confine what it starts: ${fault}. Runlet will not run programs with it.`,
    )
}

const NAMESPACES = ['net', 'pid', 'mnt', 'ipc', 'uts'] as const

/** What the probe prints: its pid, its uid, its effective capabilities, its namespaces; a line each. */
const LOOK_AROUND = `echo $$; id -u; grep CapEff: /proc/self/status; grep NoNewPrivs: /proc/self/status; readlink ${NAMESPACES.map((name) => `/proc/self/ns/${name}`).join(' ')}`

/** The first thing in which the probe's world is not one of its own; undefined when all is well. */
export function findLeak(seen: string, identity: Identity, ours: readonly string[]): string | undefined {
  const [pid, uid, capabilities, noNewPrivileges, ...namespaces] = seen.trim().split('\n')
  if (pid !== '1') return 'it is not PID 1'
  if (uid !== String(guestUid(identity))) return 'it has another user id'
  if (!/^CapEff:\s+0+$/.test(capabilities ?? '')) return 'it has capabilities'
  if (!/^NoNewPrivs:\s+1$/.test(noNewPrivileges ?? '')) return 'it may gain privileges'
  if (namespaces.length !== ours.length) return 'its namespaces cannot be seen'
  const shared = namespaces.find((name) => ours.includes(name))
  return shared === undefined ? undefined : `it shares ${shared} with this process`
}

/** Why a sandbox could not be made, in a sentence that says how to change it. */
export function explainFailure(identity: Identity, facts: KernelFacts, stderr: string): string {
  const said = stderr.trim().split('\n').at(-1) || 'nothing'
  const because = `Sandboxes cannot be made here (bubblewrap says: ${said}). `
  if (identity.kind === 'drop')
    return `${because}Root needs the capability CAP_SYS_ADMIN for it, which containers do not have by default: give the container --cap-add SYS_ADMIN and --security-opt seccomp=unconfined --security-opt apparmor=unconfined, or run Runlet as an ordinary user on the host.`
  if (facts.usernsClone === '0')
    return `${because}This kernel refuses user namespaces to ordinary users: allow them with "sudo sysctl -w kernel.unprivileged_userns_clone=1", or run Runlet as root.`
  if (facts.maxUserNamespaces === '0')
    return `${because}This kernel allows no user namespaces: allow them with "sudo sysctl -w user.max_user_namespaces=10000", or run Runlet as root.`
  if (facts.apparmorRestricts === '1')
    return `${because}AppArmor refuses user namespaces to ordinary users here: allow them with "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0", or run Runlet as root.`
  return `${because}User namespaces are not available to this user, as in most containers: run Runlet as root, on the host, or in a container with --security-opt seccomp=unconfined --security-opt apparmor=unconfined.`
}

/** @throws PreflightError when the program is missing or too old. */
async function checkVersion(
  file: string,
  name: string,
  debianPackage: string,
  wanted: { major: number; minor: number },
): Promise<void> {
  const output = await run(file, ['--version'], { timeout: 10_000 }).catch((cause: unknown) => {
    throw new PreflightError(
      `${name} is not installed: run scripts/setup, or install the package ${debianPackage} of your distribution.`,
      { cause },
    )
  })
  const [, major, minor] = (/(\d+)\.(\d+)/.exec(output.stdout) ?? []).map(Number)
  if (
    major === undefined ||
    minor === undefined ||
    major < wanted.major ||
    (major === wanted.major && minor < wanted.minor)
  )
    throw new PreflightError(
      `${name} ${wanted.major}.${wanted.minor} or newer is needed, and this is "${output.stdout.trim()}": Debian 12, Ubuntu 24.04 and newer have it.`,
    )
}

function ownNamespace(name: string): string {
  return readlinkSync(`/proc/self/ns/${name}`)
}

function readSetting(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}
