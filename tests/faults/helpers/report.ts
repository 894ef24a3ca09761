import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inject } from 'vitest'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Where each fault leaves its line for the table at the end. */
    faultLines: string
  }
}

/** What a fault did to those who used Runlet meanwhile. Times in milliseconds. */
export interface FaultLine {
  fault: string
  where: 'cluster' | 'processes' | 'embedded'
  /** Executions that had been taken and had no result when the fault came. */
  inFlight: number
  /** Executions that were taken: 202, by schedule or by a run that outlasted its wait. */
  accepted: number
  /** Of these, how many ended with a record that says what the program did. */
  recorded: number
  /** Ids with more than one record, or whose result changed between two readings. */
  doubled: number
  /** Accepted ones without a record, or recorded as lost. */
  lost: number
  /** Requests that were turned away, with 503 or a connection that failed. */
  refused: number
  /** The longest that a caller of /api/run waited for an answer of whatever kind. */
  longestRunMs: number
  /** From the fault until a run that began after it succeeded. */
  normalAfterMs: number
  /** From the fault until every accepted execution had its result. */
  doneAfterMs: number
}

const COLUMNS = [
  'fault',
  'where',
  'inFlight',
  'accepted',
  'recorded',
  'doubled',
  'lost',
  'refused',
  'longestRunMs',
  'normalAfterMs',
  'doneAfterMs',
] as const satisfies readonly (keyof FaultLine)[]

/** One line for machines now, and one row of the table at the end. */
export function report(line: FaultLine): void {
  const text = `${JSON.stringify(line)}\n`
  process.stdout.write(`FAULT ${text}`)
  appendFileSync(inject('faultLines'), text)
}

let file = ''

/** Called by vitest before the first fault. */
export function setup(project: TestProject): void {
  file = join(mkdtempSync(join(tmpdir(), 'runlet-faults-')), 'lines')
  appendFileSync(file, '')
  project.provide('faultLines', file)
}

/** Called by vitest after the last one: the table. */
export function teardown(): void {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as FaultLine)
  if (lines.length > 0) process.stdout.write(`\n${table(lines)}\n`)
  rmSync(join(file, '..'), { recursive: true, force: true })
}

/** Markdown. */
function table(lines: readonly FaultLine[]): string {
  const row = (cells: readonly unknown[]) => `| ${cells.join(' | ')} |`
  const rows = lines.map((line) => row(COLUMNS.map((column) => line[column])))
  return [row(COLUMNS), row(COLUMNS.map(() => '---')), ...rows].join('\n')
}
