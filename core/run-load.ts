import { AppError } from './errors.ts'

/** What is known of the runs of one language when one more is asked for. */
export interface RunLoad {
  /** Runs that wait and that nobody has taken yet, whoever sent them; 0 also when nobody knows. */
  waiting: number
  /** Our own that have no answer yet. */
  underWay: number
  /** How many of our own got a result in a second, while some had to wait; undefined when it is too soon to tell. */
  perSecond: number | undefined
}

/** A refused caller is asked to come back within this. */
const LONGEST_RETRY_SECONDS = 30

/**
 * Whether one more run would wait for too long: undefined when it may come, else the seconds after which trying again may help.
 *
 * While some have to wait, every place is taken, and what ends in a second is all that can end. So the last of `underWay` + 1 has its result after
 * (underWay + 1) / perSecond seconds (Little's law), also where this is one of several replicas: each gets its share of the places. Where nobody waits there
 * is room; where we have none under way we know nothing, and one more is how we find out.
 */
export function refuseRun({ waiting, underWay, perSecond }: RunLoad, patienceMs: number): number | undefined {
  if (waiting === 0 || underWay === 0 || perSecond === undefined) return undefined
  const expectedMs = ((underWay + 1) * 1000) / perSecond
  if (expectedMs <= patienceMs) return undefined
  return Math.min(LONGEST_RETRY_SECONDS, Math.max(1, Math.ceil((expectedMs - patienceMs) / 1000)))
}

/** Fewer ends say little about a rate, unless they are all that came in the whole of a caller's patience. */
const ENOUGH_ENDS = 8
const ENOUGH_MS = 500
/** Only what was lately counts. */
const WINDOW_MS = 10_000
const MAX_ENDS = 1_024
/** What was seen this long ago says nothing of now. */
const STALE_MS = 2_000

/** Follows the runs of one language. Times are milliseconds of a clock that only goes forward. */
export class RunMeter {
  readonly #patienceMs: number
  #underWay = 0
  #waiting = 0
  #seenAt = Number.NEGATIVE_INFINITY
  /** Since when some have had to wait, without a break. */
  #busySince: number | undefined
  /** When runs got their results, while some had to wait. */
  #ends: number[] = []

  /** @param patienceMs how long an admitted run may take */
  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs
  }

  get underWay(): number {
    return this.#underWay
  }

  begin(): void {
    this.#underWay++
  }

  /**
   * Begins one more, unless its turn would come too late.
   * @throws AppError overloaded
   */
  admit(now: number): void {
    const retryAfterSeconds = this.refusal(now)
    if (retryAfterSeconds !== undefined) throw new AppError('overloaded', undefined, { retryAfterSeconds })
    this.begin()
  }

  /** @param served whether it got a result: what was given up made no room */
  end(served: boolean, now: number): void {
    this.#underWay--
    if (!served || this.#busySince === undefined) return
    this.#ends.push(now)
    if (this.#ends.length > MAX_ENDS) this.#ends.shift()
  }

  /** So many wait now. */
  see(waiting: number, now: number): void {
    const isNews = now - this.#seenAt > STALE_MS
    this.#waiting = waiting
    this.#seenAt = now
    if (waiting > 0 && !isNews && this.#busySince !== undefined) return
    this.#busySince = waiting > 0 ? now : undefined
    this.#ends = []
  }

  /** Undefined when one more may come, else the seconds after which to try again. */
  refusal(now: number): number | undefined {
    const isKnown = now - this.#seenAt <= STALE_MS
    const load = { waiting: isKnown ? this.#waiting : 0, underWay: this.#underWay, perSecond: this.#rate(now) }
    return refuseRun(load, this.#patienceMs)
  }

  #rate(now: number): number | undefined {
    if (this.#busySince === undefined) return undefined
    const first = this.#ends.findIndex((at) => now - at <= WINDOW_MS)
    this.#ends = first === -1 ? [] : this.#ends.slice(first)
    const isCut = this.#ends.length === MAX_ENDS
    const elapsed = isCut ? now - (this.#ends[0] ?? now) : Math.min(WINDOW_MS, now - this.#busySince)
    const isEnough = elapsed >= ENOUGH_MS && this.#ends.length >= ENOUGH_ENDS
    return isEnough || now - this.#busySince >= this.#patienceMs ? (this.#ends.length * 1000) / elapsed : undefined
  }
}

/** An admitted run should have its result in half of what its caller waits: rates swing, and programs take what they take. */
export const patienceOf = (waitMs: number) => waitMs / 2
