import { AppError } from '../core/errors.ts'
import { type Clock, NOT_NEEDED } from '../core/time.ts'

/** `run`: somebody waits for the answer. `execution`: scheduled, it has time. Runs always go first. */
export type Priority = 'run' | 'execution'

export interface WaitOptions {
  priority: Priority
  /** Unix milliseconds after which waiting is of no use. */
  deadline?: number | undefined
  signal?: AbortSignal | undefined
}

interface Waiter<T> {
  resolve(value: T): void
  reject(error: Error): void
}

/** Those who wait for a place, first come first served within their priority. A waiter leaves once: served, at its deadline, or rejected. */
export class WaitingLine<T> {
  readonly #clock: Clock
  readonly #lines: Record<Priority, Set<Waiter<T>>> = { run: new Set(), execution: new Set() }

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get length(): number {
    return this.#lines.run.size + this.#lines.execution.size
  }

  count(priority: Priority): number {
    return this.#lines[priority].size
  }

  /** @throws AppError no_capacity at the deadline, the signal's reason when it aborts, or what `reject` was given. */
  wait({ priority, deadline, signal }: WaitOptions): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const left = new AbortController()
    const line = this.#lines[priority]
    const leave = () => {
      line.delete(waiter)
      left.abort(NOT_NEEDED)
    }
    const waiter: Waiter<T> = {
      resolve: (value) => {
        leave()
        resolve(value)
      },
      reject: (error) => {
        leave()
        reject(error)
      },
    }
    line.add(waiter)
    if (deadline !== undefined) {
      const expire = () => waiter.reject(new AppError('no_capacity'))
      this.#clock.sleep(Math.max(0, deadline - this.#clock.now()), left.signal).then(expire, () => {})
    }
    if (signal?.aborted) waiter.reject(signal.reason)
    else signal?.addEventListener('abort', () => waiter.reject(signal.reason), { once: true, signal: left.signal })
    return promise
  }

  /** Gives the value to whoever is first; false when nobody waits. */
  serve(value: T): boolean {
    const [first] = this.#lines.run.size > 0 ? this.#lines.run : this.#lines.execution
    first?.resolve(value)
    return first !== undefined
  }

  /** Sends those of the given priorities away. */
  reject(error: Error, priorities: readonly Priority[] = ['run', 'execution']): void {
    for (const priority of priorities) for (const waiter of [...this.#lines[priority]]) waiter.reject(error)
  }
}
