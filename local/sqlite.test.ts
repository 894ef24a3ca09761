import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDatabase } from './sqlite.ts'

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'runlet-sqlite-'))
  file = join(folder, 'runlet.db')
})
afterEach(() => rmSync(folder, { recursive: true }))

const pragma = (database: DatabaseSync, name: string) =>
  Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]

describe('openDatabase', () => {
  it('writes ahead, waits for the disk only at checkpoints, and keeps others out', () => {
    using database = openDatabase(file)
    expect(pragma(database, 'journal_mode')).toBe('wal')
    expect(pragma(database, 'synchronous')).toBe(1)
    expect(pragma(database, 'locking_mode')).toBe('exclusive')
  })

  it('makes the schema once, and finds what was written before', () => {
    {
      using first = openDatabase(file)
      first.exec(`INSERT INTO records VALUES ('a', 1, '{}')`)
    }
    using second = openDatabase(file)
    expect(pragma(second, 'user_version')).toBe(1)
    expect(second.prepare('SELECT id FROM records').all()).toEqual([{ id: 'a' }])
  })

  it('says so when another process has the file', () => {
    using _first = openDatabase(file)
    expect(() => openDatabase(file)).toThrow(/Another Runlet is using .*runlet\.db/)
  })

  it('says so when the file is from a newer Runlet, and leaves it alone', () => {
    {
      using database = openDatabase(file)
      database.exec('PRAGMA user_version = 99')
    }
    expect(() => openDatabase(file)).toThrow('newer Runlet (schema 99')
    using database = new DatabaseSync(file)
    expect(pragma(database, 'user_version')).toBe(99)
  })

  it('refuses a file that is no database', async () => {
    const { writeFile } = await import('node:fs/promises')
    await writeFile(file, 'this is a shopping list, not a database, and it is long enough to look at'.repeat(20))
    expect(() => openDatabase(file)).toThrow('not a database')
  })
})
