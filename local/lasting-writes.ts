import { toError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Clock } from '../core/time.ts'
import type { WriteGroup } from './write-group.ts'

export interface LastingWritesOptions {
  writes: WriteGroup
  log: Log
  clock: Clock
  /** Before a write that failed is tried again: the disk has no room. */
  retryMs: number
}

/** Writes of what became of executions, again and again until they succeed: given up, a row would stay out of everybody's reach until the next start. */
export class LastingWrites {
  readonly #options: LastingWritesOptions
  readonly #stopping: AbortSignal
  readonly #underWay = new Set<Promise<void>>()

  /** @param stopping from then on each write is tried once more */
  constructor(options: LastingWritesOptions, stopping: AbortSignal) {
    this.#options = options
    this.#stopping = stopping
  }

  /** @throws Error when the queue stops and it still cannot be written; the next process finds the row as it was */
  async write(change: () => void): Promise<void> {
    const { clock, log, retryMs, writes } = this.#options
    for (;;) {
      try {
        return await writes.submit(change)
      } catch (thrown) {
        if (this.#stopping.aborted) throw thrown
        log.error({ err: toError(thrown) }, 'What became of an execution could not be written, and is tried again')
        await clock.sleep(retryMs, this.#stopping).catch(() => {})
      }
    }
  }

  /** `done` waits for it. Resolves also when it fails: then the next process does it. */
  track(work: Promise<void>): Promise<void> {
    const tracked = work
      .catch((thrown: unknown) => {
        this.#options.log.error({ err: toError(thrown) }, 'The queue could not write down what became of an execution')
      })
      .finally(() => this.#underWay.delete(tracked))
    this.#underWay.add(tracked)
    return tracked
  }

  async done(): Promise<void> {
    await Promise.allSettled(this.#underWay)
  }
}
