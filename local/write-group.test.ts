import type { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDatabase } from './sqlite.ts'
import { WriteGroup } from './write-group.ts'

let database: DatabaseSync
let group: WriteGroup
const commits: number[] = []

beforeEach(() => {
  database = openDatabase(':memory:')
  commits.length = 0
  group = new WriteGroup(database, () => performance.now())
})
afterEach(() => {
  if (database.isOpen) database.close()
})

const insert = (id: string) => () => database.prepare(`INSERT INTO records VALUES (?, 1, '{}')`).run(id).changes
const ids = () =>
  database
    .prepare('SELECT id FROM records ORDER BY id')
    .all()
    .map((row) => row.id)

describe('WriteGroup', () => {
  it('commits what arrives in one turn together, and resolves each with its own value', async () => {
    const writes = [group.submit(insert('a')), group.submit(insert('b')), group.submit(() => 'value')]
    expect(ids()).toEqual([])
    expect(await Promise.all(writes)).toEqual([1, 1, 'value'])
    expect(ids()).toEqual(['a', 'b'])
    expect(database.isTransaction).toBe(false)
  })

  it('resolves only when the transaction is over', async () => {
    let inside = true
    await group.submit(() => 1).then(() => (inside = database.isTransaction))
    expect(inside).toBe(false)
  })

  it('fails only the write that failed', async () => {
    const writes = await Promise.allSettled([
      group.submit(insert('a')),
      group.submit(insert('a')),
      group.submit(insert('b')),
    ])
    expect(writes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(ids()).toEqual(['a', 'b'])
  })

  it('fails all of a transaction that cannot be committed, undoes it, and goes on', async () => {
    const spoiled = [group.submit(insert('a')), group.submit(() => database.exec('ROLLBACK'))]
    expect((await Promise.allSettled(spoiled)).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(ids()).toEqual([])
    await group.submit(insert('b'))
    expect(ids()).toEqual(['b'])
  })

  it('fails what waits when no transaction can begin', async () => {
    const write = group.submit(insert('a'))
    database.close()
    await expect(write).rejects.toThrow('not open')
  })

  it('spreads many writes over several turns of the event loop, in order', async () => {
    let now = 0
    const slow = new WriteGroup(database, () => now)
    const order: number[] = []
    const write = (number: number) =>
      slow.submit(() => {
        now += 3
        order.push(number)
      })
    const first = write(1)
    const rest = [write(2), write(3), write(4)]
    await first
    expect(order).toEqual([1, 2])
    await Promise.all(rest)
    expect(order).toEqual([1, 2, 3, 4])
  })

  it('flushes at once', async () => {
    const writes = [group.submit(insert('a')), group.submit(insert('b'))]
    group.flush()
    expect(ids()).toEqual(['a', 'b'])
    await Promise.all(writes)
  })
})
