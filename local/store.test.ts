import type { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../core/time.ts'
import { aRecord, executionId, MemoryLog, settled } from '../tests/fakes/local.ts'
import { openDatabase } from './sqlite.ts'
import { LocalStore } from './store.ts'
import { WriteGroup } from './write-group.ts'

const NOW = 1_700_000_100_000
const id = executionId(1)

let database: DatabaseSync
let store: LocalStore
let log: MemoryLog

function openStore(): LocalStore {
  const writes = new WriteGroup(database, systemClock.monotonic)
  return new LocalStore({ database, writes, log, clock: { ...systemClock, now: () => NOW }, retentionMs: 200_000 })
}

beforeEach(() => {
  database = openDatabase(':memory:')
  log = new MemoryLog()
  store = openStore()
})
afterEach(async () => {
  await store[Symbol.asyncDispose]()
  database.close()
})

describe('LocalStore', () => {
  it('keeps a record whole', async () => {
    const record = aRecord(1)
    await store.record(record)
    expect(await store.find(id, 0)).toEqual({ status: 'final', record })
    expect([await store.takeOver(id), await store.takeOver(executionId(2))]).toEqual([true, false])
  })

  it('keeps the first record of an id', async () => {
    await Promise.all([store.record(aRecord(1)), store.record(aRecord(1, { language: 'bash' }))])
    expect(await store.find(id, 0)).toMatchObject({ record: { language: 'python' } })
  })

  it('tells queued from running from final', async () => {
    expect(await store.find(id, 0)).toEqual({ status: 'queued' })
    await store.markRunning(id)
    expect(await store.find(id, 0)).toEqual({ status: 'running' })
    await store.record(aRecord(1))
    expect(await store.find(id, 0)).toMatchObject({ status: 'final' })
  })

  it('finds what an earlier process recorded', async () => {
    await store.record(aRecord(1))
    await using later = openStore()
    expect(await later.find(id, 0)).toMatchObject({ status: 'final' })
  })

  it('says so when it cannot write, and is ready for another try', async () => {
    database.exec('PRAGMA query_only = true')
    await expect(store.record(aRecord(1))).rejects.toMatchObject({ code: 'store_unavailable' })
    database.exec('PRAGMA query_only = false')
    await store.record(aRecord(1))
    expect(await store.takeOver(id)).toBe(true)
  })
})

describe('waiting for the end', () => {
  it('ends with the record, for all who wait', async () => {
    const waiting = [store.find(id, 60_000), store.find(id, 60_000)]
    await settled()
    await store.record(aRecord(1))
    expect(await Promise.all(waiting)).toMatchObject([{ status: 'final' }, { status: 'final' }])
  })

  it('ends with the time, and tells how it stands', async () => {
    const waiting = store.find(id, 5)
    await store.markRunning(id)
    expect(await waiting).toEqual({ status: 'running' })
  })

  it('ends when the caller is gone', async () => {
    const gone = new AbortController()
    const waiting = store.find(id, 60_000, gone.signal)
    gone.abort()
    expect(await waiting).toEqual({ status: 'queued' })
  })

  it('ends when the store is closed', async () => {
    const waiting = store.find(id, 60_000)
    await store[Symbol.asyncDispose]()
    expect(await waiting).toEqual({ status: 'queued' })
  })

  it('is not woken by others', async () => {
    const waiting = store.find(id, 30)
    await store.record(aRecord(2))
    expect(await waiting).toEqual({ status: 'queued' })
  })
})

describe('a record of a newer version', () => {
  it('is kept, and said to be unreadable', async () => {
    await store.record(aRecord(1))
    database.exec(`UPDATE records SET record = '{"version": 2}'`)
    await expect(store.find(id, 0)).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(await store.takeOver(id)).toBe(true)
  })
})

describe('the retention time', () => {
  it('removes what is older at the start, however much it is, and nothing else', async () => {
    await Promise.all(
      Array.from({ length: 250 }, (_, number) => store.record(aRecord(number + 10, { finishedAt: NOW - 200_001 }))),
    )
    await store.record(aRecord(1, { finishedAt: NOW - 200_000 }))
    await using _later = openStore()
    const remaining = () =>
      database
        .prepare('SELECT id FROM records')
        .all()
        .map((row) => row.id)
    for (let turn = 0; turn < 100 && remaining().length > 1; turn++) await settled()
    expect(remaining()).toEqual([id])
    await settled()
    expect(log.lines).toEqual(['info Removed records that are older than the retention time'])
  })

  it('goes on when removing fails', async () => {
    database.exec('PRAGMA query_only = true')
    await using _later = openStore()
    await settled()
    database.exec('PRAGMA query_only = false')
    expect(log.lines).toContain('error Old records could not be removed')
  })
})
