import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

export interface DataFolder {
  /** Absolute path of the database. */
  database: string
  /** Absolute path of a copy of `images` for sandboxes; sandbox-files.ts. */
  images: string
  /** Key of the execution ids. With another one, the ids of earlier results would no longer be ours. */
  idKey: Buffer
}

const KEY_BYTES = 32

/**
 * Opens the folder of the embedded mode, and makes it and the key in it where they are missing. Only its owner can read either.
 * @throws Error when it can't be made, or the key is not one
 */
export function openDataFolder(path: string): DataFolder {
  const folder = resolve(path)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const keyFile = join(folder, 'id.key')
  const idKey = Buffer.from(readOrCreate(keyFile), 'hex')
  if (idKey.length !== KEY_BYTES) throw new Error(`${keyFile} is damaged: it should hold ${KEY_BYTES * 2} hex digits`)
  return { database: join(folder, 'runlet.db'), images: join(folder, 'images'), idKey }
}

/** The file is made in one step and never overwritten: a key that two processes make at once must be the same for both. */
function readOrCreate(file: string): string {
  try {
    writeFileSync(file, `${randomBytes(KEY_BYTES).toString('hex')}\n`, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
  return readFileSync(file, 'utf8').trim()
}
