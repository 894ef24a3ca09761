import { AppError } from '../../core/errors.ts'
import { type Envelope, emptyResult, type Result } from '../../core/execution.ts'
import type { Publisher, Timings } from '../../core/ports.ts'

type Answer = { result: Result; timings?: Timings | undefined } | undefined

/** Remembers what it was given. `answer` decides what a run gives and may throw; `failure` is what schedule throws. */
export class FakePublisher implements Publisher {
  readonly scheduled: Envelope[] = []
  readonly ran: { envelope: Envelope; waitMs: number }[] = []
  answer: (envelope: Envelope) => Answer | Promise<Answer> = () => ({ result: emptyResult('succeeded') })
  failure: Error | undefined
  /** Executions that are still on their way. */
  readonly held = new Set<string>()

  async schedule(envelope: Envelope, maxOutstanding = Number.POSITIVE_INFINITY): Promise<void> {
    if (this.failure) throw this.failure
    const own = this.scheduled.filter(({ caller }) => caller !== undefined && caller === envelope.caller)
    if (own.length >= maxOutstanding) throw new AppError('too_many_outstanding')
    this.scheduled.push(envelope)
  }

  async mayStillRun(id: string): Promise<boolean> {
    return this.held.has(id)
  }

  async run(envelope: Envelope, waitMs: number): Promise<Answer> {
    this.ran.push({ envelope, waitMs })
    return await this.answer(envelope)
  }
}
