import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MemoryLog } from '../tests/fakes/local.ts'
import { findLanguages } from './languages.ts'

let images: string
let log: MemoryLog

beforeEach(() => {
  images = mkdtempSync(join(tmpdir(), 'runlet-images-'))
  log = new MemoryLog()
})
afterEach(() => rmSync(images, { recursive: true }))

function write(folder: string, language: object): void {
  mkdirSync(join(images, folder))
  writeFileSync(join(images, folder, 'language.json'), JSON.stringify(language))
}
const shell = (script: string) => ['sh', '-c', script]

describe('findLanguages', () => {
  it('finds what runs here, with the version that it says', async () => {
    write('one', { name: 'one', aliases: ['uno'], version: shell('echo "One (build x86) 3.13.5-rc1"'), run: ['one'] })
    write('two', { name: 'zwei', aliases: [], version: shell('echo v24 >&2') })
    expect(await findLanguages(images, '/usr/bin:/bin', log)).toEqual([
      { name: 'one', aliases: ['uno'], folder: 'one', version: '86' },
      { name: 'zwei', aliases: [], folder: 'two', version: '24' },
    ])
  })

  it.each([
    ['is not here', ['no-such-interpreter', '--version']],
    ['fails', shell('echo 1.0; exit 1')],
    ['has no version', shell('echo unknown')],
  ])('leaves out a language whose interpreter %s, and says so', async (_why, version) => {
    write('one', { name: 'one', aliases: [], version })
    expect(await findLanguages(images, '/usr/bin:/bin', log)).toEqual([])
    expect(log.lines).toEqual(['warn A language is left out: its interpreter is not here'])
  })

  it('looks in the given folders only', async () => {
    write('one', { name: 'one', aliases: [], version: ['node', '--version'] })
    expect(await findLanguages(images, '/nowhere', log)).toEqual([])
    expect(await findLanguages(images, dirname(process.execPath), log)).toMatchObject([
      { version: process.versions.node },
    ])
  })

  it('refuses a language.json that is wrong', async () => {
    write('one', { name: 'One!', aliases: [], version: [] })
    await expect(findLanguages(images, '/usr/bin:/bin', log)).rejects.toThrow(/one\/language\.json is wrong/)
  })

  it('reads the languages of this project', async () => {
    const languages = await findLanguages('images', `${dirname(process.execPath)}:/usr/bin:/bin`, log)
    expect(languages.map(({ name, folder }) => [name, folder])).toEqual([
      ['bash', 'bash'],
      ['javascript', 'node'],
      ['python', 'python'],
    ])
  })
})
