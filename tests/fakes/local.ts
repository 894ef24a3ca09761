import { type Envelope, type ExecutionRecord, emptyResult } from '../../core/execution.ts'
import { LimitSettings, resolveLimits } from '../../core/limits.ts'
import type { Log } from '../../core/log.ts'
import type { Delivery, DeliveryHandler, Verdict } from '../../core/ports.ts'

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silentLog }

/** A log that keeps what it was told: `level message`. */
export class MemoryLog implements Log {
  readonly lines: string[] = []
  debug = (_fields: object, message: string) => void this.lines.push(`debug ${message}`)
  info = (_fields: object, message: string) => void this.lines.push(`info ${message}`)
  warn = (_fields: object, message: string) => void this.lines.push(`warn ${message}`)
  error = (_fields: object, message: string) => void this.lines.push(`error ${message}`)
  child = () => this
}

/** 48 hex digits that end in `number`. */
export const executionId = (number: number) => number.toString(16).padStart(48, '0')

export function anEnvelope(number: number, language = 'python', code = `print(${number})`): Envelope {
  const limits = resolveLimits(LimitSettings.parse({}))
  const program = { language, code, stdin: '', args: [], env: {}, files: [], limits }
  return { version: 1, id: executionId(number), acceptedAt: 1_700_000_000_000 + number, program }
}

export function aRecord(number: number, changes: Partial<ExecutionRecord> = {}): ExecutionRecord {
  const times = { acceptedAt: 1_700_000_000_000, startedAt: 1_700_000_000_001, finishedAt: 1_700_000_000_002 }
  const result = { ...emptyResult('succeeded'), stdout: `${number}\n`, exitCode: 0 }
  const who = { id: executionId(number), language: 'python', languageVersion: '3.13.5', digest: 'd'.repeat(64) }
  return { version: 1, ...who, ...times, result, ...changes }
}

interface Received extends Delivery {
  answer(verdict: Verdict): void
}

/** A runner of which the test decides when it answers. */
export class FakeRunner {
  readonly received: Received[] = []
  readonly handler: DeliveryHandler = (delivery) => {
    const { promise, resolve } = Promise.withResolvers<Verdict>()
    this.received.push({ ...delivery, answer: resolve })
    return promise
  }

  /** The delivery at `index`, once it has come. */
  async delivery(index: number): Promise<Received> {
    for (let turn = 0; turn < 1000; turn++) {
      const delivery = this.received[index]
      if (delivery) return delivery
      await settled()
    }
    throw new Error(`Delivery ${index} did not come`)
  }

  get ids(): string[] {
    return this.received.map(({ envelope }) => envelope.id)
  }
}

/** After all that is due now has happened. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
}
