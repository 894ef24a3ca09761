import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDataFolder } from './data-folder.ts'

let parent: string
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'runlet-data-'))
})
afterEach(() => rmSync(parent, { recursive: true }))

const mode = (path: string) => statSync(path).mode & 0o777

describe('openDataFolder', () => {
  it('makes a folder and a key that only their owner can read', () => {
    const folder = join(parent, 'deep', 'data')
    const { database, idKey } = openDataFolder(folder)
    expect(database).toBe(join(folder, 'runlet.db'))
    expect(idKey).toHaveLength(32)
    expect([mode(folder), mode(join(folder, 'id.key'))]).toEqual([0o700, 0o600])
  })

  it('keeps the key', () => {
    expect(openDataFolder(parent).idKey).toEqual(openDataFolder(parent).idKey)
    expect(openDataFolder(parent).idKey).not.toEqual(openDataFolder(join(parent, 'other')).idKey)
  })

  it('refuses a key that is damaged', () => {
    writeFileSync(join(parent, 'id.key'), 'abc')
    expect(() => openDataFolder(parent)).toThrow('is damaged')
  })

  it('says so when the folder cannot be made', () => {
    writeFileSync(join(parent, 'file'), '')
    expect(() => openDataFolder(join(parent, 'file', 'data'))).toThrow('ENOTDIR')
  })
})
