export interface UidRange {
  first: number
  count: number
}

/**
 * Where uids for sandboxes may come from, best first. The first lies in what systemd's documentation lists as unused by anybody;
 * the second is for hosts that are containers themselves with 65,536 uids, between those of people and systemd's dynamic users.
 */
const CANDIDATES: readonly UidRange[] = [
  { first: 2_000_000_000, count: 1_000_000 },
  { first: 50_000, count: 10_000 },
]

/**
 * @param uidMap what /proc/self/uid_map says: lines of `inside outside count`
 * @returns undefined when this process has too few uids
 */
export function chooseUidRange(uidMap: string): UidRange | undefined {
  const extents = uidMap
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
  return CANDIDATES.find(({ first, count }) =>
    extents.some(([inside = 0, , length = 0]) => inside <= first && first + count <= inside + length),
  )
}

/** Hands out one uid after the other; the range is so long that one is free again long before its turn comes. */
export class Uids {
  readonly #range: UidRange
  #next: number

  /** @param start where to begin, any number: two processes that begin apart do not share uids. */
  constructor(range: UidRange, start: number) {
    this.#range = range
    this.#next = start % range.count
  }

  next(): number {
    const uid = this.#range.first + this.#next
    this.#next = (this.#next + 1) % this.#range.count
    return uid
  }
}
