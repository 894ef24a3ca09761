/** A value that comes and goes. Waiting for it leaves nothing behind: an outage of an hour must not collect every request of that hour, as racing one long promise would. */
export class Current<Value> {
  readonly #waiters = new Set<(value: Value) => void>()
  #value: Value | undefined

  get value(): Value | undefined {
    return this.#value
  }

  set(value: Value): void {
    this.#value = value
    for (const waiter of [...this.#waiters]) waiter(value)
  }

  clear(): void {
    this.#value = undefined
  }

  /** The value, as soon as there is one; undefined after `waitMs`. */
  within(waitMs: number): Promise<Value | undefined> {
    if (this.#value !== undefined || waitMs <= 0) return Promise.resolve(this.#value)
    return new Promise((resolve) => {
      const settle = (value: Value | undefined) => {
        clearTimeout(timer)
        this.#waiters.delete(settle)
        resolve(value)
      }
      const timer = setTimeout(settle, waitMs, undefined)
      this.#waiters.add(settle)
    })
  }
}
