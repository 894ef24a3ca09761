/**
 * Records of executions as annotations, and what annotations and labels say, as records. Pure.
 * A Job may hold several records: one annotation for each, its key ending in the execution's id.
 */

import { AppError } from '../core/errors.ts'
import type { ExecutionRecord, Result } from '../core/execution.ts'
import { EXECUTION_ID } from '../core/ids.ts'
import { readRecord } from '../core/versions.ts'
import { ANNOTATION, LABEL } from './labels.ts'

/** What we read of an object's metadata: all of it may have been edited by anybody. */
export interface Metadata {
  name?: string | undefined
  uid?: string | undefined
  labels?: Record<string, string> | undefined
  annotations?: Record<string, string> | undefined
}

/** A JSON merge patch of a Job. */
export interface MetadataPatch {
  metadata: { labels: Record<string, string>; annotations: Record<string, string> }
}

/** The annotation that holds the record of this execution. */
export function recordKey(id: string): string {
  return ANNOTATION.recordPrefix + id
}

/** The label that says how this execution stands, on a Job that several share. */
export function executionLabel(id: string): string {
  return LABEL.executionPrefix + id
}

/**
 * A record as JSON of at most `budgetBytes` bytes of UTF-8. Output that does not fit is cut, at a character, and the record marked as truncated; stdout and
 * stderr get half of the room each, and what one does not need goes to the other.
 * @throws AppError internal when it would not fit without any output: then it is not a record that we made.
 */
export function encodeRecord(record: ExecutionRecord, budgetBytes: number): string {
  const whole = JSON.stringify(record)
  if (Buffer.byteLength(whole) <= budgetBytes) return whole
  const { result } = record
  const bare = JSON.stringify({ ...record, result: { ...result, stdout: '', stderr: '' } })
  const room = budgetBytes - Buffer.byteLength(bare)
  if (room < 0) throw new AppError('internal', `The record of ${record.id} does not fit into ${budgetBytes} bytes`)
  const half = Math.floor(room / 2)
  const stderrRoom = Math.max(half, room - jsonBytes(result.stdout, room))
  const stderr = cut(result.stderr, result.stderrEncoding, stderrRoom)
  const stdout = cut(result.stdout, result.stdoutEncoding, room - jsonBytes(stderr, stderrRoom))
  return JSON.stringify({ ...record, result: { ...result, stdout, stderr, truncated: true } satisfies Result })
}

/** What an annotation says, or undefined when it is no record of this execution that we can read: edited, cut, or newer than we are. */
export function decodeRecord(id: string, text: string): ExecutionRecord | undefined {
  const reading = reads(text)
  return reading && 'value' in reading && reading.value.id === id ? reading.value : undefined
}

/** Whether a newer Runlet wrote it. */
export function isNewerRecord(text: string): boolean {
  return 'newer' in (reads(text) ?? {})
}

function reads(text: string) {
  try {
    return readRecord(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** The merge patch that makes a Job hold a record: nothing is set but our own keys. */
export function recordPatch(record: ExecutionRecord, budgetBytes: number): MetadataPatch {
  return {
    metadata: {
      labels: {
        [LABEL.state]: 'finished',
        [LABEL.status]: record.result.status,
        [LABEL.executionId]: record.id,
      },
      annotations: { [recordKey(record.id)]: encodeRecord(record, budgetBytes) },
    },
  }
}

/** The records that a Job holds, as text by execution id. Foreign keys, and keys that end in no id, are none. */
export function recordTexts({ annotations }: Metadata): [id: string, text: string][] {
  return Object.entries(annotations ?? {}).flatMap(([key, text]) => {
    if (!key.startsWith(ANNOTATION.recordPrefix)) return []
    const id = key.slice(ANNOTATION.recordPrefix.length)
    return EXECUTION_ID.test(id) ? [[id, text] as [string, string]] : []
  })
}

/** The executions that run on this Job, as its labels say. */
export function runningIds({ labels = {} }: Metadata): string[] {
  const only = labels[LABEL.executionId]
  if (only !== undefined) return labels[LABEL.state] === 'running' && EXECUTION_ID.test(only) ? [only] : []
  return Object.entries(labels).flatMap(([key, status]) => {
    if (status !== 'running' || !key.startsWith(LABEL.executionPrefix)) return []
    const id = key.slice(LABEL.executionPrefix.length)
    return EXECUTION_ID.test(id) ? [id] : []
  })
}

/** Bytes that the records of an object take. */
export function recordedBytes(metadata: Metadata): number {
  return recordTexts(metadata).reduce((sum, [id, text]) => sum + recordKey(id).length + Buffer.byteLength(text), 0)
}

/** The longest beginning of a text that takes no more than `room` bytes inside a JSON string. base64 is cut between groups of 4, so that it stays valid. */
function cut(text: string, encoding: Result['stdoutEncoding'], room: number): string {
  if (encoding === 'base64') return text.slice(0, Math.min(text.length, room) & ~3)
  let end = 0
  let bytes = 0
  for (const character of text) {
    bytes += characterBytes(character)
    if (bytes > room) break
    end += character.length
  }
  return text.slice(0, end)
}

/** Bytes of a text inside a JSON string; counting stops past `enough`. */
function jsonBytes(text: string, enough: number): number {
  let bytes = 0
  for (const character of text) {
    bytes += characterBytes(character)
    if (bytes > enough) break
  }
  return bytes
}

const SHORT_ESCAPES = '\b\t\n\f\r"\\'

/** What JSON.stringify makes of one character: a short escape, \\uXXXX (control characters, lone surrogates), or its UTF-8. */
function characterBytes(character: string): number {
  if (SHORT_ESCAPES.includes(character)) return 2
  const code = character.codePointAt(0) ?? 0
  if (code < 0x20 || (code >= 0xd800 && code <= 0xdfff)) return 6
  if (code < 0x80) return 1
  if (code < 0x800) return 2
  return code < 0x10000 ? 3 : 4
}
