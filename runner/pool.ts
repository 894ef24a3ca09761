import { AppError } from '../core/errors.ts'
import type { Capacity, Claim, PoolSize } from './claim.ts'
import { LanguagePool, type PoolOptions } from './language-pool.ts'
import type { WaitOptions } from './waiting-line.ts'

/** The pools of all languages of a runner. Disposing of it ends every sandbox, whatever it does. */
export class Pool implements AsyncDisposable {
  readonly #pools: ReadonlyMap<string, LanguagePool>

  /** Begins to start sandboxes at once. */
  constructor(languages: Readonly<Record<string, PoolSize>>, options: PoolOptions) {
    this.#pools = new Map(
      Object.entries(languages).map(([language, size]) => [language, new LanguagePool(language, size, options)]),
    )
  }

  /**
   * A sandbox for one execution: without waiting when one is warm, else in turn, runs before scheduled executions.
   * @throws AppError no_capacity at the deadline, sandbox_unavailable for a run while its pool is held, shutting_down, internal for a language that has no pool
   */
  claim(language: string, options: WaitOptions): Promise<Claim> {
    const pool = this.#pools.get(language)
    return pool ? pool.claim(options) : Promise.reject(unknown(language))
  }

  /** Why a run would be refused at once, or undefined when it may wait. */
  refusal(language: string): AppError | undefined {
    return this.#pools.get(language)?.refusal()
  }

  /** @throws AppError internal for a language that has no pool */
  capacity(language: string): Capacity {
    const pool = this.#pools.get(language)
    if (!pool) throw unknown(language)
    return pool.capacity()
  }

  /** Sends waiters away and ends what is idle or starting; claimed sandboxes stay. */
  async drain(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.drain()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()))
  }
}

const unknown = (language: string) => new AppError('internal', `This runner has no sandboxes for "${language}"`)
