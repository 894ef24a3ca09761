import { DatabaseSync } from 'node:sqlite'

/**
 * The embedded mode's one file. Each entry takes the schema one version further; `user_version` says how many have been applied.
 * Entries are never changed once released: a new one is added.
 */
const MIGRATIONS = [
  `CREATE TABLE executions (
     sequence INTEGER PRIMARY KEY AUTOINCREMENT,
     id TEXT NOT NULL UNIQUE,
     language TEXT NOT NULL,
     state TEXT NOT NULL CHECK (state IN ('waiting', 'out', 'dead')),
     attempts INTEGER NOT NULL,
     envelope TEXT NOT NULL
   ) STRICT;
   CREATE INDEX executions_next ON executions (language, state, sequence);
   CREATE TABLE records (
     id TEXT NOT NULL PRIMARY KEY,
     finished_at INTEGER NOT NULL,
     record TEXT NOT NULL
   ) STRICT;
   CREATE INDEX records_by_age ON records (finished_at);`,
]

const SQLITE_BUSY = 5

/**
 * Opens (or makes) the database of one Runlet process and brings its schema up to date. What was committed before the process is killed is there afterwards;
 * with synchronous=NORMAL a power cut may take the last commits, but never the file: in WAL mode only checkpoints wait for the disk, so that no
 * commit stops the event loop for the milliseconds of an fsync.
 *
 * @param path a file, or `:memory:` in tests
 * @throws Error when another process has it open, or it was written by a newer Runlet
 */
export function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    // Exclusive: a second process on the same folder would hand out every execution twice. The kernel lifts the lock however the process ends.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    migrate(database)
    return database
  } catch (error) {
    database.close()
    if (isBusy(error)) throw new Error(`Another Runlet is using ${path}; stop it, or set DATA_DIR to another folder`)
    throw error
  }
}

function migrate(database: DatabaseSync): void {
  database.exec('BEGIN IMMEDIATE')
  const applied = Number(database.prepare('PRAGMA user_version').get()?.user_version)
  if (applied > MIGRATIONS.length)
    throw new Error(`The data was written by a newer Runlet (schema ${applied}, this one knows ${MIGRATIONS.length})`)
  for (const migration of MIGRATIONS.slice(applied)) database.exec(migration)
  database.exec(`PRAGMA user_version = ${MIGRATIONS.length}; COMMIT`)
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY
}
