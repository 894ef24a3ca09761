import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failToStart } from '../helpers/embedded.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'runlet-fake-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** A path on which `bwrap` is this shell script. The first case of every real one is its version. */
async function fakeBubblewrap(script: string): Promise<string> {
  const file = join(folder, 'bwrap')
  await writeFile(file, `#!/bin/sh\n[ "$1" != --version ] || { echo 'bubblewrap 0.11.0'; exit; }\n${script}\n`)
  await chmod(file, 0o755)
  return `${folder}:/usr/bin:/bin`
}

/** Drops everything up to the first `--`: the command alone, with no sandbox around it. */
const UNCONFINED = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"'

describe('the start fails in a sentence', () => {
  it('without bubblewrap', async () => {
    const { code, output } = await failToStart({ PATH: '/nowhere' })
    expect([code, output]).toEqual([
      1,
      expect.stringMatching(/^runlet: bubblewrap is not installed: run scripts\/setup/),
    ])
  })

  it.each([
    [
      'user namespaces refused',
      "echo 'bwrap: No permissions to create new namespace' >&2; exit 1",
      /Sandboxes cannot be made here \(bubblewrap says: bwrap: No permissions to create new namespace\)\. .*/,
    ],
    [
      'a uid map refused, as by AppArmor',
      "echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1",
      /bubblewrap says: bwrap: setting up uid map: Permission denied/,
    ],
    [
      'a network namespace refused',
      "echo 'bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted' >&2; exit 1",
      /Failed RTM_NEWADDR/,
    ],
    ['a bubblewrap that dies', 'kill -9 $$', /bubblewrap says: it was killed, or took too long/],
    [
      'a bubblewrap that confines nothing',
      UNCONFINED,
      /does not confine what it starts: it is not PID 1\. Runlet will not run programs with it/,
    ],
    ['a bubblewrap that does nothing', 'exit 0', /does not confine what it starts/],
  ])('with %s', async (_what, script, sentence) => {
    const { code, output } = await failToStart({ PATH: await fakeBubblewrap(script) })
    expect(code).toBe(1)
    expect(output).toMatch(/^runlet: /)
    expect(output).toMatch(sentence)
    expect(output.trim().split('\n')).toHaveLength(1)
  })

  it('with a bubblewrap that is too old', async () => {
    const path = await fakeBubblewrap('exit 1')
    await writeFile(join(folder, 'bwrap'), "#!/bin/sh\necho 'bubblewrap 0.6.1'\n")
    const { code, output } = await failToStart({ PATH: path })
    expect([code, output]).toEqual([
      1,
      expect.stringMatching(/bubblewrap 0\.8 or newer is needed, and this is "bubblewrap 0\.6\.1"/),
    ])
  })

  it('with a configuration that is wrong', async () => {
    const { code, output } = await failToStart({ PORT: 'eighty', WARM: '-1' })
    expect([code, output]).toEqual([1, expect.stringMatching(/PORT.*"eighty".*\n.*WARM/)])
  })

  it('when the port is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const { code, output } = await failToStart({ PORT: String(port) })
    server.close()
    expect(code).toBe(1)
    expect(output).toContain(`runlet: Port ${port} is in use: set PORT to another one.`)
  })
})
