import { describe, expect, it } from 'vitest'
import type { Identity } from './bubblewrap-command.ts'
import { explainFailure, findLeak, type KernelFacts } from './preflight.ts'

const drop: Identity = { kind: 'drop', uid: 2_000_000_007 }
const map: Identity = { kind: 'map' }
const unknown: KernelFacts = { usernsClone: undefined, apparmorRestricts: undefined, maxUserNamespaces: undefined }

describe('explainFailure', () => {
  it.each([
    [
      'Debian without user namespaces',
      map,
      { ...unknown, usernsClone: '0' },
      'sysctl -w kernel.unprivileged_userns_clone=1',
    ],
    [
      'Ubuntu with AppArmor',
      map,
      { ...unknown, apparmorRestricts: '1' },
      'kernel.apparmor_restrict_unprivileged_userns=0',
    ],
    ['a kernel with a limit of none', map, { ...unknown, maxUserNamespaces: '0' }, 'user.max_user_namespaces=10000'],
    ['a container', map, { ...unknown, usernsClone: '1', apparmorRestricts: '0' }, 'seccomp=unconfined'],
    ['root in a container', drop, { ...unknown, usernsClone: '0' }, '--cap-add SYS_ADMIN'],
  ] as const)('says what to do in %s', (_where, identity, facts, remedy) => {
    const message = explainFailure(
      identity,
      facts,
      'bwrap: first line\nbwrap: No permissions to create a new namespace\n',
    )
    expect(message).toContain(remedy)
    expect(message).toContain('(bubblewrap says: bwrap: No permissions to create a new namespace)')
  })

  it('copes with a bubblewrap that says nothing', () => {
    expect(explainFailure(map, unknown, '')).toContain('(bubblewrap says: nothing)')
  })
})

describe('findLeak', () => {
  const ours = ['net:[1]', 'pid:[2]', 'mnt:[3]']
  const seen = (changes: Record<number, string> = {}) =>
    Object.assign(
      ['1', '65534', 'CapEff:\t0000000000000000', 'NoNewPrivs:\t1', 'net:[7]', 'pid:[8]', 'mnt:[9]'],
      changes,
    ).join('\n')

  it('finds nothing in a world of its own', () => {
    expect(findLeak(seen(), map, ours)).toBeUndefined()
    expect(findLeak(seen({ 1: '2000000007' }), drop, ours)).toBeUndefined()
  })

  it.each([
    ['a bwrap that starts the program as it is', { 0: '4711' }, 'it is not PID 1'],
    ['another uid', { 1: '0' }, 'it has another user id'],
    ['capabilities', { 2: 'CapEff:\t00000000000000c0' }, 'it has capabilities'],
    ['set-uid programs', { 3: 'NoNewPrivs:\t0' }, 'it may gain privileges'],
    ['our network', { 4: 'net:[1]' }, 'it shares net:[1] with this process'],
    ['our files', { 6: 'mnt:[3]' }, 'it shares mnt:[3] with this process'],
  ])('finds %s', (_what, changes, leak) => {
    expect(findLeak(seen(changes), map, ours)).toBe(leak)
  })

  it('is not content with less than all', () => {
    expect(findLeak('', map, ours)).toBe('it is not PID 1')
    expect(findLeak(seen().split('\n').slice(0, 5).join('\n'), map, ours)).toBe('its namespaces cannot be seen')
  })
})
