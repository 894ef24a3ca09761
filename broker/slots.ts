/** One consumer of a channel: the broker hands it at most `prefetch` messages that are not acknowledged. */
interface Lease {
  prefetch: number
  inFlight: number
}

/**
 * Keeps the number of messages in flight at a capacity that changes. A broker's prefetch is fixed for the life of a consumer, so a smaller capacity means to
 * cancel the consumers and a bigger one to add another. Messages of cancelled consumers, also of a channel that died, still hold a slot until they are done:
 * room for new ones appears only then.
 */
export class Slots {
  readonly #live = new Map<string, Lease>()
  readonly #retired = new Map<string, Lease>()
  #capacity = 0

  get capacity(): number {
    return this.#capacity
  }

  /** The prefetch that one more consumer may have now; 0 when there is no room. */
  get room(): number {
    let used = 0
    for (const lease of this.#live.values()) used += lease.prefetch
    for (const lease of this.#retired.values()) used += lease.inFlight
    return Math.max(0, this.#capacity - used)
  }

  /** Changes the capacity; the result are the consumers to cancel. */
  resize(capacity: number): string[] {
    const smaller = capacity < this.#capacity
    this.#capacity = capacity
    return smaller ? this.retireAll() : []
  }

  add(tag: string, prefetch: number): void {
    this.#live.set(tag, { prefetch, inFlight: 0 })
  }

  /** No consumer takes anything any more; returns which did. */
  retireAll(): string[] {
    const tags = [...this.#live.keys()]
    for (const [tag, lease] of this.#live) if (lease.inFlight > 0) this.#retired.set(tag, lease)
    this.#live.clear()
    return tags
  }

  /** A message arrived for a consumer; also for one that is cancelled: some are still on their way then, and take the place of new ones. */
  begin(tag: string): void {
    const lease = this.#live.get(tag) ?? this.#retired.get(tag)
    if (lease === undefined) this.#retired.set(tag, { prefetch: 0, inFlight: 1 })
    else lease.inFlight++
  }

  /** A message that began is done with. */
  end(tag: string): void {
    const lease = this.#live.get(tag) ?? this.#retired.get(tag)
    if (lease === undefined) return
    lease.inFlight--
    if (lease.inFlight === 0) this.#retired.delete(tag)
  }
}
