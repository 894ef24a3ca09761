/** Those who wait for something to happen to a key. */
export class Waiters {
  readonly #waiting = new Map<string, Set<() => void>>()

  /** How many wait, over all keys. */
  get size(): number {
    let sum = 0
    for (const set of this.#waiting.values()) sum += set.size
    return sum
  }

  /** Resolves when the key is released, the time is over, or the signal aborts. Never rejects. */
  wait(key: string, milliseconds: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const set = this.#waiting.get(key) ?? new Set()
      const done = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', done)
        set.delete(done)
        if (set.size === 0 && this.#waiting.get(key) === set) this.#waiting.delete(key)
        resolve()
      }
      const timer = setTimeout(done, milliseconds)
      signal?.addEventListener('abort', done, { once: true })
      set.add(done)
      this.#waiting.set(key, set)
    })
  }

  release(key: string): void {
    for (const done of [...(this.#waiting.get(key) ?? [])]) done()
  }

  releaseAll(): void {
    for (const key of [...this.#waiting.keys()]) this.release(key)
  }
}
