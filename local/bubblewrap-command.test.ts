import { describe, expect, it } from 'vitest'
import { agentCommand, bubblewrapArguments, guestUid, type Host, type Identity, passwd } from './bubblewrap-command.ts'

const host: Host = {
  bwrap: '/usr/bin/bwrap',
  images: '/srv/runlet/images',
  node: '/srv/runlet/node',
  rootFolders: [
    { path: '/usr', target: undefined },
    { path: '/bin', target: 'usr/bin' },
    { path: '/lib64', target: undefined },
  ],
  tmpBytes: 1000,
}
const drop: Identity = { kind: 'drop', uid: 2_000_000_007 }
const map: Identity = { kind: 'map' }
const text = (identity: Identity) =>
  bubblewrapArguments(host, identity, 'python', agentCommand(host, 'python')).join(' ')

/** Where each path of the sandbox comes from: `--option source destination`. */
function shown(identity: Identity): string[] {
  const words = bubblewrapArguments(host, identity, 'python', [])
  return words.flatMap((word, index) =>
    /^--(dev-)?(ro-)?bind(-try)?$/.test(word) ? [words.slice(index, index + 3).join(' ')] : [],
  )
}

describe('bubblewrapArguments', () => {
  it('is this, for a sandbox of root', () => {
    expect(text(drop)).toBe(
      [
        '--unshare-ipc --unshare-pid --unshare-net --unshare-uts --unshare-cgroup-try',
        '--cap-drop ALL --cap-add CAP_SETUID --cap-add CAP_SETGID --cap-add CAP_SETPCAP',
        '--as-pid-1 --die-with-parent --new-session --hostname sandbox',
        '--clearenv --setenv PATH /opt/runlet/bin:/usr/bin:/bin:/usr/local/bin --info-fd 4',
        '--ro-bind /usr /usr --symlink usr/bin /bin --ro-bind /lib64 /lib64 --perms 0755 --dir /etc',
        '--ro-bind-try /etc/ld.so.cache /etc/ld.so.cache --ro-bind-try /etc/alternatives /etc/alternatives',
        '--perms 0444 --file 3 /etc/passwd',
        '--perms 0755 --dir /opt --perms 0755 --dir /opt/runlet --perms 0755 --dir /opt/runlet/bin',
        '--ro-bind /srv/runlet/images/agent /opt/runlet/agent',
        '--ro-bind /srv/runlet/images/seccomp /opt/runlet/seccomp',
        '--ro-bind /srv/runlet/images/python /opt/runlet/python',
        '--ro-bind /srv/runlet/node /opt/runlet/bin/node',
        '--proc /proc --dev /dev',
        '--size 67108864 --perms 1777 --tmpfs /dev/shm --size 1000 --perms 1777 --tmpfs /tmp',
        '--remount-ro /dev --remount-ro / --chdir /tmp --',
        '/usr/bin/setpriv --reuid=2000000007 --regid=2000000007 --clear-groups',
        '--inh-caps=-all --bounding-set=-all --no-new-privs',
        '/usr/bin/python3 -I -S -E /opt/runlet/agent/agent.py /opt/runlet/python/language.json',
      ].join(' '),
    )
  })

  it('maps the uid of an ordinary user, and keeps no capability', () => {
    expect(text(map)).toContain(
      '--unshare-cgroup-try --unshare-user --disable-userns --uid 65534 --gid 65534 --cap-drop ALL --as-pid-1',
    )
    expect(text(map)).toContain(
      '--chdir /tmp -- /usr/bin/python3 -I -S -E /opt/runlet/agent/agent.py /opt/runlet/python/language.json',
    )
    expect(text(map)).not.toMatch(/--cap-add|setpriv/)
  })

  it.each([drop, map])('shows nothing of the host that can be written', (identity) => {
    expect(shown(identity).filter((bind) => !bind.startsWith('--ro-bind'))).toEqual([])
  })

  it.each([drop, map])('bounds every place that can be written', (identity) => {
    const words = bubblewrapArguments(host, identity, 'python', [])
    const places = words.flatMap((word, index) => (word === '--tmpfs' ? [words.slice(index - 4, index + 2)] : []))
    expect(places.map(([size, bytes, , , , path]) => [size, Number(bytes) > 0, path])).toEqual([
      ['--size', true, '/dev/shm'],
      ['--size', true, '/tmp'],
    ])
    expect(words.lastIndexOf('--remount-ro')).toBeGreaterThan(words.lastIndexOf('--tmpfs'))
  })

  it('shows no language to a probe', () => {
    expect(bubblewrapArguments(host, map, undefined, ['/bin/true']).join(' ')).not.toContain('/opt/runlet/agent')
  })
})

describe('agentCommand', () => {
  it('starts the agent that was compiled, where there is one', () => {
    expect(agentCommand({ ...host, agent: 'agent.pyc' }, 'python')).toContain('/opt/runlet/agent/agent.pyc')
  })
})

describe('passwd', () => {
  it('gives the uid of the sandbox a name', () => {
    expect(passwd(drop)).toBe('guest:x:2000000007:2000000007:guest:/tmp:/bin/sh\n')
    expect(passwd(map)).toBe('guest:x:65534:65534:guest:/tmp:/bin/sh\n')
    expect([guestUid(drop), guestUid(map)]).toEqual([2_000_000_007, 65_534])
  })
})
