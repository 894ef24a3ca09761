import { AppError } from '../core/errors.ts'
import type { Result } from '../core/execution.ts'
import type { Reply, Timings } from '../core/ports.ts'

export type RunAnswer = { result: Result; timings?: Timings | undefined } | undefined

interface Waiter {
  resolve(answer: RunAnswer): void
  reject(error: AppError): void
}

/** The runs that somebody waits for. The first of reply, failure and time decides; what comes later finds nobody. */
export class PendingRuns {
  readonly #waiters = new Map<string, Waiter>()

  get size(): number {
    return this.#waiters.size
  }

  /** Resolves with the answer, or undefined after `waitMs`. */
  wait(id: string, waitMs: number): Promise<RunAnswer> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#take(id)?.resolve(undefined), waitMs)
      this.#waiters.set(id, {
        resolve: (answer) => {
          clearTimeout(timer)
          resolve(answer)
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      })
    })
  }

  /** False when nobody waits for it any more. */
  answer(reply: Reply): boolean {
    const waiter = this.#take(reply.id)
    if (waiter === undefined) return false
    if ('error' in reply) waiter.reject(new AppError(reply.error.code, reply.error.message))
    else waiter.resolve({ result: reply.result, timings: reply.timings })
    return true
  }

  fail(id: string, error: AppError): void {
    this.#take(id)?.reject(error)
  }

  failAll(code: 'queue_unavailable' | 'shutting_down', message?: string): void {
    for (const id of [...this.#waiters.keys()]) this.fail(id, new AppError(code, message))
  }

  #take(id: string): Waiter | undefined {
    const waiter = this.#waiters.get(id)
    this.#waiters.delete(id)
    return waiter
  }
}
