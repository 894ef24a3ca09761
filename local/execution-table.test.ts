import type { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { anEnvelope, executionId } from '../tests/fakes/local.ts'
import { ExecutionTable, type RowState } from './execution-table.ts'
import { openDatabase } from './sqlite.ts'

let database: DatabaseSync
let table: ExecutionTable

beforeEach(() => {
  database = openDatabase(':memory:')
  table = new ExecutionTable(database, 3)
})
afterEach(() => database.close())

function insert(number: number, language = 'python', state: RowState = 'waiting', attempts = 0): boolean {
  const envelope = anEnvelope(number, language)
  return table.insert(envelope, JSON.stringify(envelope), state, attempts)
}
const states = () =>
  database.prepare('SELECT id, state, attempts FROM executions ORDER BY sequence').all() as unknown as {
    id: string
    state: string
    attempts: number
  }[]

describe('ExecutionTable', () => {
  it('hands out the oldest of one language first, and counts', () => {
    for (const number of [3, 1, 2]) insert(number)
    insert(4, 'bash')
    const rows = table.take('python', 2)
    expect(rows.map(({ id, attempts }) => [id, attempts])).toEqual([
      [executionId(3), 1],
      [executionId(1), 1],
    ])
    expect(JSON.parse(rows[0]?.envelope ?? '')).toEqual(anEnvelope(3))
    expect(table.take('python', 5).map(({ id }) => id)).toEqual([executionId(2)])
    expect(table.take('python', 5)).toEqual([])
  })

  it('takes an id once', () => {
    expect(insert(1)).toBe(true)
    expect(insert(1)).toBe(false)
    expect(states()).toHaveLength(1)
  })

  it('forgets what is removed', () => {
    insert(1)
    table.remove(executionId(1))
    expect(states()).toEqual([])
  })

  it('hands out again what came back', () => {
    insert(1)
    table.take('python', 1)
    table.setState(executionId(1), 'waiting')
    expect(table.take('python', 1)[0]?.attempts).toBe(2)
  })

  it('takes back an attempt that was none', () => {
    insert(1)
    table.take('python', 1)
    table.giveBack(executionId(1))
    expect(states()).toMatchObject([{ state: 'waiting', attempts: 0 }])
  })

  it('finds the dead, oldest first', () => {
    for (const number of [1, 2, 3]) insert(number, 'python', 'dead')
    const first = table.nextDead(0)
    expect(first?.id).toBe(executionId(1))
    expect(table.nextDead(0)?.id).toBe(executionId(1))
    expect(table.nextDead(first?.sequence ?? 0)?.id).toBe(executionId(2))
    expect(table.nextDead(99)).toBeUndefined()
  })

  it('takes back what a process had when it was killed, until all attempts are used', () => {
    insert(1, 'python', 'out', 1)
    insert(2, 'python', 'out', 3)
    insert(3, 'python', 'waiting', 0)
    new ExecutionTable(database, 3)
    expect(states().map(({ state, attempts }) => [state, attempts])).toEqual([
      ['waiting', 1],
      ['dead', 3],
      ['waiting', 0],
    ])
  })

  it('knows what it holds', () => {
    insert(1)
    insert(2, 'python', 'out', 1)
    insert(3, 'bash', 'dead', 3)
    const bytes = (number: number, language: string) => Buffer.byteLength(JSON.stringify(anEnvelope(number, language)))
    expect(table.holdings()).toEqual([
      { language: 'bash', rows: 1, waiting: 0, bytes: bytes(3, 'bash') },
      { language: 'python', rows: 2, waiting: 1, bytes: bytes(1, 'python') + bytes(2, 'python') },
    ])
  })

  it('keeps programs byte for byte', () => {
    const envelope = anEnvelope(1, 'python', 'print("\0 \ud83d\ude00 \ud800 \u2028")')
    table.insert(envelope, JSON.stringify(envelope), 'waiting', 0)
    expect(JSON.parse(table.take('python', 1)[0]?.envelope ?? '')).toEqual(envelope)
  })
})
