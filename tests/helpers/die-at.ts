/**
 * Loaded into a Runlet process before its main (`node --import`): once SIGUSR2 has come, the process kills itself when the step in `DIE_AT` happens for the n-th
 * time (`recorded:20`). It dies in the very call: nothing that follows it in the code happens any more.
 */
import { ServerResponse } from 'node:http'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Step } from './embedded-steps.ts'

const [step, count] = (process.env.DIE_AT ?? '').split(':')
let left = Number(count)
let armed = false
process.on('SIGUSR2', () => {
  armed = true
})

function happened(what: Step): void {
  if (armed && what === step && --left === 0) process.kill(process.pid, 'SIGKILL')
}

/** What each statement that writes does, and the step that its commit is. */
const STATEMENTS: readonly [start: RegExp, written: Step, committed: Step][] = [
  [/^INSERT INTO executions/, 'accepted-uncommitted', 'accepted'],
  [/^UPDATE executions SET state = 'out'/, 'claimed', 'claimed'],
  [/^INSERT INTO records/, 'recorded-uncommitted', 'recorded'],
  [/^DELETE FROM executions/, 'removed-uncommitted', 'removed'],
]
/** The steps that the next commit is: one for each row. */
let uncommitted: Step[] = []

const { prepare, exec } = DatabaseSync.prototype
DatabaseSync.prototype.prepare = function (this: DatabaseSync, sql: string): StatementSync {
  const statement = prepare.call(this, sql)
  const found = STATEMENTS.find(([start]) => start.test(sql))
  if (!found) return statement
  const [, written, committed] = found
  const wrap = <Result>(act: (...values: never[]) => Result) =>
    function (this: StatementSync, ...values: never[]): Result {
      const result = act.apply(statement, values)
      if (written !== committed) uncommitted.push(committed)
      happened(written)
      return result
    }
  return Object.assign(statement, { run: wrap(statement.run), all: wrap(statement.all) })
}
DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string): void {
  exec.call(this, sql)
  if (!/\bCOMMIT$/.test(sql)) return
  const steps = uncommitted
  uncommitted = []
  for (const committed of steps) happened(committed)
}

const LINES: readonly [text: string, step: Step][] = [
  ['"An execution was delivered"', 'delivered'],
  ['"An execution ended"', 'ended'],
]
const write = process.stderr.write.bind(process.stderr) as (text: string) => boolean
process.stderr.write = (text: string | Uint8Array): boolean => {
  const line = String(text)
  for (const [part, what] of LINES) if (line.includes(part)) happened(what)
  // The program is sent to the sandbox in the same turn as this line.
  if (line.includes('"An execution got its sandbox"')) setImmediate(() => happened('started'))
  return write(line)
}

const end = ServerResponse.prototype.end as (this: ServerResponse, body?: unknown) => ServerResponse
ServerResponse.prototype.end = function (this: ServerResponse, body?: unknown): ServerResponse {
  const response = end.call(this, body)
  if (this.statusCode === 202) happened('accepted-told')
  else if (/"finishedAt"/.test(String(body))) happened('result-read')
  return response
}
