import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { BubblewrapProvider } from '../../local/bubblewrap.ts'
import { chooseIdentities, findBubblewrap, readRootFolders } from '../../local/host.ts'
import { readPrograms } from '../helpers/programs.ts'
import { asByHand, expectEnd, runByHand, runInSandbox } from '../helpers/run-program.ts'

/** What users are promised: a program behaves as if started by hand. And what everybody else is: a bad one is stopped, and says how. */
const FOLDERS = new Map([
  ['python', 'python'],
  ['javascript', 'node'],
  ['bash', 'bash'],
])

const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent }
const identity = chooseIdentities()
const host = {
  bwrap: findBubblewrap('/usr/bin:/bin:/usr/local/bin'),
  images: join(import.meta.dirname, '..', '..', 'images'),
  node: process.execPath,
  rootFolders: readRootFolders(),
  tmpBytes: 256 * 1024 * 1024,
}
const provider = new BubblewrapProvider({ host, identity, folders: FOLDERS, log: silent, startTimeoutMs: 20_000 })

afterAll(() => provider[Symbol.asyncDispose]())

for (const [language, folder] of FOLDERS) {
  describe(`${language} as by hand`, () => {
    test.for(readPrograms(language, 'compare'))('$name', async (program) => {
      const [byHand, ran] = await Promise.all([
        runByHand(host, identity(), folder, program),
        runInSandbox(provider, program),
      ])
      expect(asByHand(ran)).toEqual({ ...byHand, cause: 'exited' })
    })
  })

  describe(`${language} at its limits`, () => {
    test.for(readPrograms(language, 'limits'))('$name', async (program) => {
      expectEnd(await runInSandbox(provider, program), program.expect)
    })
  })
}
