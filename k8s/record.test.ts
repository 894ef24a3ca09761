import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ExecutionRecord, emptyResult, FinalStatus } from '../core/execution.ts'
import { decodeRecord, encodeRecord, recordedBytes, recordKey, recordPatch, recordTexts, runningIds } from './record.ts'

const ID = 'a'.repeat(48)
const OTHER = 'b'.repeat(48)

function record(result: Partial<ExecutionRecord['result']> = {}): ExecutionRecord {
  return {
    version: 1,
    id: ID,
    language: 'python',
    languageVersion: '3.13.5',
    acceptedAt: 1_700_000_000_000,
    startedAt: 1_700_000_000_010,
    finishedAt: 1_700_000_000_020,
    digest: '0'.repeat(64),
    result: { ...emptyResult('succeeded'), exitCode: 0, ...result },
  }
}

const count = fc.nat()
const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }))
const anyRecord: fc.Arbitrary<ExecutionRecord> = fc.record({
  version: fc.constant(1 as const),
  id: fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 48, maxLength: 48 }),
  language: fc.constantFrom('python', 'javascript'),
  languageVersion: fc.option(text),
  acceptedAt: count,
  startedAt: fc.option(count),
  finishedAt: count,
  digest: text,
  result: fc.record({
    status: fc.constantFrom(...FinalStatus.options),
    stdout: text,
    stdoutEncoding: fc.constantFrom('utf8' as const, 'base64' as const),
    stderr: text,
    stderrEncoding: fc.constantFrom('utf8' as const, 'base64' as const),
    exitCode: fc.option(fc.integer()),
    signal: fc.option(fc.constantFrom('SIGSEGV', 'SIGKILL')),
    wallTimeMs: count,
    cpuTimeMs: count,
    memoryBytes: count,
    truncated: fc.boolean(),
  }),
})

describe('encodeRecord', () => {
  it('is undone by decodeRecord', () => {
    fc.assert(
      fc.property(anyRecord, (given) => {
        expect(decodeRecord(given.id, encodeRecord(given, 1_000_000))).toEqual(given)
      }),
    )
  })

  it('never exceeds its budget, keeps beginnings, and says when it cut', () => {
    const unit = fc.constantFrom('a', '\n', '\0', '"', 'é', '€', '😀', '\ud800', '\x7f')
    const long = fc.string({ unit, maxLength: 400 })
    fc.assert(
      fc.property(long, long, fc.integer({ min: 500, max: 2000 }), (stdout, stderr, budget) => {
        const encoded = encodeRecord(record({ stdout, stderr }), budget)
        expect(Buffer.byteLength(encoded)).toBeLessThanOrEqual(budget)
        const decoded = decodeRecord(ID, encoded)
        expect(stdout.startsWith(decoded?.result.stdout ?? '?')).toBe(true)
        expect(stderr.startsWith(decoded?.result.stderr ?? '?')).toBe(true)
        const kept = decoded?.result.stdout === stdout && decoded.result.stderr === stderr
        expect(decoded?.result.truncated).toBe(!kept)
      }),
    )
  })

  it('wastes no room: one character more would not fit', () => {
    const encoded = encodeRecord(record({ stdout: '\0'.repeat(10_000) }), 3000)
    expect(Buffer.byteLength(encoded)).toBeGreaterThan(3000 - 6)
  })

  it('gives a short stderr all it needs and stdout the rest', () => {
    const decoded = decodeRecord(ID, encodeRecord(record({ stdout: 'o'.repeat(9000), stderr: 'why' }), 3000))
    expect(decoded?.result.stderr).toBe('why')
    expect(decoded?.result.stdout.length).toBeGreaterThan(2000)
  })

  it('shares the room when both are long', () => {
    const decoded = decodeRecord(ID, encodeRecord(record({ stdout: 'o'.repeat(9000), stderr: 'e'.repeat(9000) }), 4000))
    const { stdout = '', stderr = '' } = decoded?.result ?? {}
    expect(Math.abs(stdout.length - stderr.length)).toBeLessThanOrEqual(1)
    expect(stdout.length).toBeGreaterThan(1000)
  })

  it('keeps base64 valid when it cuts', () => {
    const stdout = Buffer.alloc(5000, 0xff).toString('base64')
    for (let budget = 1000; budget < 1010; budget++) {
      const decoded = decodeRecord(ID, encodeRecord(record({ stdout, stdoutEncoding: 'base64' }), budget))
      expect((decoded?.result.stdout.length ?? 1) % 4).toBe(0)
      expect(decoded?.result.stdout).not.toBe('')
    }
  })

  it('refuses what does not fit without any output', () => {
    expect(() => encodeRecord({ ...record(), languageVersion: 'x'.repeat(5000) }, 4096)).toThrow(/does not fit/)
  })
})

describe('decodeRecord', () => {
  it.each([
    ['no JSON', '{'],
    ['not an object', '[]'],
    ['null', 'null'],
    ['a field missing', JSON.stringify({ ...record(), result: undefined })],
    ['an unknown status', JSON.stringify({ ...record(), result: { ...record().result, status: 'fine' } })],
    ['a newer version', JSON.stringify({ ...record(), version: 2 })],
    ['another execution', JSON.stringify({ ...record(), id: OTHER })],
  ])('gives undefined for %s', (_, annotation) => {
    expect(decodeRecord(ID, annotation)).toBeUndefined()
  })

  it('never throws, whatever somebody wrote there', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (annotation) => {
        expect(decodeRecord(ID, annotation)).toBeUndefined()
      }),
    )
  })
})

describe('recordPatch', () => {
  it('sets our own keys only', () => {
    const patch = recordPatch(record({ status: 'failed' }), 4096)
    expect(patch).toEqual({
      metadata: {
        labels: {
          'runlet.dev/state': 'finished',
          'runlet.dev/status': 'failed',
          'runlet.dev/execution-id': ID,
        },
        annotations: { [`runlet.dev/execution-${ID}`]: JSON.stringify(record({ status: 'failed' })) },
      },
    })
  })

  it('has a key whose name the API takes: 63 characters at most after the prefix', () => {
    expect(recordKey(ID).split('/')[1]?.length).toBeLessThanOrEqual(63)
  })
})

describe('what metadata says', () => {
  it('finds several records on one Job and ignores foreign keys', () => {
    const annotations = {
      [recordKey(ID)]: 'one',
      [recordKey(OTHER)]: 'two',
      'runlet.dev/execution-short': 'no id',
      'runlet.dev/version': '3',
      [`example.org/execution-${ID}`]: 'foreign',
    }
    expect(recordTexts({ annotations })).toEqual([
      [ID, 'one'],
      [OTHER, 'two'],
    ])
    expect(recordedBytes({ annotations })).toBe(2 * recordKey(ID).length + 6)
  })

  it('is nothing for an object without any', () => {
    expect(recordTexts({})).toEqual([])
    expect(recordedBytes({})).toBe(0)
    expect(runningIds({})).toEqual([])
  })

  it.each([
    ['running', ID, [ID]],
    ['finished', ID, []],
    ['running', 'nonsense', []],
  ])('state %s with id %s runs %s', (state, id, expected) => {
    expect(runningIds({ labels: { 'runlet.dev/state': state, 'runlet.dev/execution-id': id } })).toEqual(expected)
  })

  it('runs those that its labels call running, where several share it', () => {
    const labels = {
      [`runlet.dev/execution-${ID}`]: 'running',
      'runlet.dev/execution-x': 'running',
      'runlet.dev/state': 'warm',
    }
    expect(runningIds({ labels })).toEqual([ID])
    expect(runningIds({ labels: { ...labels, [`runlet.dev/execution-${ID}`]: 'failed' } })).toEqual([])
  })
})
