/** Where a sandbox finds what is ours. Nothing of the host has this path, since `/opt` is not shown. */
const HOME = '/opt/runlet'

/** Programs of the distribution come before those that somebody put into /usr/local; both come after our own Node. */
export const GUEST_PATH = `${HOME}/bin:/usr/bin:/bin:/usr/local/bin`

/** Descriptor on which bwrap reads the generated /etc/passwd. */
export const PASSWD_FD = 3

/** Descriptor on which bwrap says, as JSON, which process is the sandbox's PID 1. */
export const INFO_FD = 4

/** Shared memory is there for multiprocessing; what a guest keeps in it counts as its memory. */
const SHARED_MEMORY_BYTES = 64 * 1024 * 1024

/** What guests see in /etc of the host: how to find libraries, and which awk is meant. Nothing of it is about this host. */
const ETC = ['/etc/ld.so.cache', '/etc/alternatives']

/**
 * How a sandbox gets a user id that is not the runner's.
 * `drop`: we are root, and each sandbox gets a uid of its own that nobody has: limits on processes are counted per uid, and do not bind root at all.
 * `map`: we are an ordinary user, and a user namespace shows our uid as another one.
 */
export type Identity = { kind: 'drop'; uid: number } | { kind: 'map' }

/** The uid that a mapped sandbox sees: `nobody`. */
export const MAPPED_UID = 65_534

export interface Host {
  /** Absolute path of bwrap. */
  bwrap: string
  /** Absolute path of the folder `images`. */
  images: string
  /** The file in `images/agent` that is started: `agent.pyc` where it has been compiled. Default: `agent.py`. */
  agent?: string
  /** Absolute path of the Node that runs guests. */
  node: string
  /** `/bin`, `/lib64`, ...: where the symbolic link points, or undefined for a folder. */
  rootFolders: readonly { path: string; target: string | undefined }[]
  /** Size of /tmp in a sandbox. */
  tmpBytes: number
}

/** The line of /etc/passwd that gives the guest's uid a name. */
export function passwd(identity: Identity): string {
  const uid = guestUid(identity)
  return `guest:x:${uid}:${uid}:guest:/tmp:/bin/sh\n`
}

export function guestUid(identity: Identity): number {
  return identity.kind === 'drop' ? identity.uid : MAPPED_UID
}

/**
 * The arguments of bwrap that start `command` in a world of its own: every namespace new, no network, no capability, a read-only system, and two bounded
 * places to write. As PID 1, since bwrap's own reaper would be a process that a guest of the same uid could trace.
 *
 * @param folder name of the language's folder in `images`; undefined shows no language
 */
export function bubblewrapArguments(
  host: Host,
  identity: Identity,
  folder: string | undefined,
  command: readonly string[],
): string[] {
  return [
    ...namespaces(identity),
    ...['--as-pid-1', '--die-with-parent', '--new-session', '--hostname', 'sandbox'],
    ...['--clearenv', '--setenv', 'PATH', GUEST_PATH],
    ...['--info-fd', String(INFO_FD)],
    ...system(host),
    ...['--perms', '0444', '--file', String(PASSWD_FD), '/etc/passwd'],
    ...ours(host, folder),
    ...['--proc', '/proc', '--dev', '/dev'],
    ...['--size', String(SHARED_MEMORY_BYTES), '--perms', '1777', '--tmpfs', '/dev/shm'],
    ...['--size', String(host.tmpBytes), '--perms', '1777', '--tmpfs', '/tmp'],
    // Both are file systems in memory without a bound, and belong to the guest's uid when that is mapped.
    ...['--remount-ro', '/dev', '--remount-ro', '/'],
    ...['--chdir', '/tmp', '--'],
    ...dropPrivileges(identity),
    ...command,
  ]
}

/** The agent's command line in a sandbox. */
export function agentCommand({ agent = 'agent.py' }: Host, folder: string): string[] {
  const languageFile = `${HOME}/${folder}/language.json`
  return ['/usr/bin/python3', '-I', '-S', '-E', `${HOME}/agent/${agent}`, languageFile]
}

function namespaces(identity: Identity): string[] {
  const common = ['--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', '--unshare-cgroup-try']
  if (identity.kind === 'map') {
    const mapped = ['--unshare-user', '--disable-userns', '--uid', String(MAPPED_UID), '--gid', String(MAPPED_UID)]
    return [...common, ...mapped, '--cap-drop', 'ALL']
  }
  // Root needs no user namespace, so this works where ordinary users may not have any. The three capabilities are for setpriv, which gives them up.
  return [
    ...common,
    '--cap-drop',
    'ALL',
    ...['CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP'].flatMap((cap) => ['--cap-add', cap]),
  ]
}

/**
 * What bwrap asked the kernel for, to be killed with its parent, ends when the uid changes; and bwrap, without capabilities, could not kill another uid
 * anyway. So agent-process.ts kills the sandbox's PID 1 itself, and when this process is killed the agent reads EOF and ends.
 */
function dropPrivileges(identity: Identity): string[] {
  if (identity.kind === 'map') return []
  const ids = [`--reuid=${identity.uid}`, `--regid=${identity.uid}`, '--clear-groups']
  return ['/usr/bin/setpriv', ...ids, '--inh-caps=-all', '--bounding-set=-all', '--no-new-privs']
}

function system({ rootFolders }: Host): string[] {
  const folders = rootFolders.flatMap(({ path, target }) =>
    target === undefined ? ['--ro-bind', path, path] : ['--symlink', target, path],
  )
  // Without it the folder would be made for its owner alone, and that is root.
  return [...folders, '--perms', '0755', '--dir', '/etc', ...ETC.flatMap((path) => ['--ro-bind-try', path, path])]
}

function ours({ images, node }: Host, folder: string | undefined): string[] {
  if (folder === undefined) return []
  return [
    ...['/opt', HOME, `${HOME}/bin`].flatMap((path) => ['--perms', '0755', '--dir', path]),
    ...['--ro-bind', `${images}/agent`, `${HOME}/agent`],
    ...['--ro-bind', `${images}/seccomp`, `${HOME}/seccomp`],
    ...['--ro-bind', `${images}/${folder}`, `${HOME}/${folder}`],
    ...['--ro-bind', node, `${HOME}/bin/node`],
  ]
}
