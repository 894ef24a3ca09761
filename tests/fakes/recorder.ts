import type { ExecutionRecord } from '../../core/execution.ts'
import type { Recorder, RecordOptions, Sandbox } from '../../core/ports.ts'

/** Keeps records in memory; the first `failures` writes fail. */
export class FakeRecorder implements Recorder {
  readonly records = new Map<string, ExecutionRecord>()
  readonly running: string[] = []
  readonly sandboxes: (string | undefined)[] = []
  readonly options: (RecordOptions | undefined)[] = []
  failures = 0
  /** What takeOver, markRunning and record wait for. */
  busy: Promise<void> = Promise.resolve()

  async takeOver(id: string): Promise<boolean> {
    await this.#work()
    return this.records.has(id)
  }

  async markRunning(id: string): Promise<void> {
    this.running.push(id)
    await this.#work()
  }

  async record(record: ExecutionRecord, sandbox?: Sandbox, options?: RecordOptions): Promise<void> {
    await this.#work()
    this.options.push(options)
    this.sandboxes.push(sandbox?.name)
    if (!this.records.has(record.id)) this.records.set(record.id, record)
  }

  async #work(): Promise<void> {
    await this.busy
    if (this.failures-- > 0) throw new Error('The store is away')
  }
}
