/**
 * How many sandboxes a pool should keep ready for what is about to come. Pure; all times are monotonic milliseconds. docs/scaling.md says it for operators:
 *
 *     arrivals  = max(slow, fast + trend x (FAST + refill))     claims per second, as they will be when a sandbox that is started now is ready
 *     trend     = max(0, (fast - slow) / (SLOW - FAST))         an average over T lags a ramp by T times its slope, so two of them give the slope
 *     expected  = arrivals x refill                             claims while one sandbox is started
 *     wanted    = between warm and max: ceil(expected + SPARE x sqrt(expected)), or 0 where expected < WORTHWHILE
 *
 * `fast` and `slow` are exponential averages over 5 and 30 seconds, `refill` is the exponential average of what starts took. Claims come at random, so while one
 * sandbox starts there are `expected` of them, give or take the square root of that.
 */
export interface Demand {
  /** Claims per second, averaged over FAST_MS, as of `at`. */
  readonly fast: number
  /** The same over SLOW_MS. */
  readonly slow: number
  /** The highest forecast of late, which fades over PEAK_MS: what has been started for it is not ended at the first lull. */
  readonly peak: number
  readonly at: number
  /** How long a sandbox takes from the decision to start it until it is ready; undefined until one was. */
  readonly startMs: number | undefined
}

export interface DemandSettings {
  warm: number
  max: number
  refillAtOnce: number
  refillDelayMs: number
}

export interface Target {
  /** Idle sandboxes to fill up to. */
  warm: number
  /** Idle sandboxes that need not be ended yet. */
  keep: number
  /** Starts in flight that are needed to keep up with the arrivals, at least as many as the settings say; Infinity where a start costs nothing. */
  refillAtOnce: number
  refillDelayMs: number
}

const FAST_MS = 5_000
const SLOW_MS = 30_000
const PEAK_MS = 60_000
/** Nine of ten times no more come than this many standard deviations above the mean. */
const SPARE = 1.28
/** Less than one claim in ten starts is not worth a sandbox that waits for it. Without this a pool with `warm` 0 would never be empty again: averages fade, but never end. */
const WORTHWHILE = 0.1
/** Of a new start in the average: the last five count for two thirds. */
const NEWEST_START = 0.2
/** A start as short as this is a slot in something that runs already, not a new pod or process (20 ms and more): pacing it would only cost time. */
const CHEAP_START_MS = 5

export const NO_DEMAND: Demand = { fast: 0, slow: 0, peak: 0, at: 0, startMs: undefined }

/** After one more claim, whether it had to wait or not. */
export function withClaim(demand: Demand, now: number): Demand {
  const faded = fade(demand, now)
  const next = { ...faded, fast: faded.fast + 1000 / FAST_MS, slow: faded.slow + 1000 / SLOW_MS }
  return { ...next, peak: Math.max(faded.peak, forecast(next)) }
}

/** After one more sandbox became ready. */
export function withStart(demand: Demand, tookMs: number): Demand {
  const { startMs } = demand
  return { ...demand, startMs: startMs === undefined ? tookMs : startMs + NEWEST_START * (tookMs - startMs) }
}

/** What demand asks of the pool now. */
export function targetOf(demand: Demand, settings: DemandSettings, now: number): Target {
  const { startMs } = demand
  const { max, refillAtOnce } = settings
  const warm = Math.min(settings.warm, max)
  if (startMs === undefined) return { warm, keep: warm, refillAtOnce, refillDelayMs: settings.refillDelayMs }
  const cheap = startMs <= CHEAP_START_MS
  const refillDelayMs = cheap ? 0 : settings.refillDelayMs
  const refillSeconds = (startMs + refillDelayMs) / 1000
  const faded = fade(demand, now)
  const expected = forecast(faded) * refillSeconds
  const within = (stock: number) => Math.max(warm, Math.min(max, stock))
  const wanted = within(stockFor(expected))
  return {
    warm: wanted,
    keep: Math.max(wanted, within(stockFor(faded.peak * refillSeconds))),
    refillAtOnce: cheap ? Number.POSITIVE_INFINITY : Math.max(refillAtOnce, Math.ceil(expected)),
    refillDelayMs,
  }
}

function stockFor(expected: number): number {
  return expected < WORTHWHILE ? 0 : Math.ceil(expected + SPARE * Math.sqrt(expected))
}

/** Claims per second at the time at which a sandbox that is started now will be ready. */
function forecast({ fast, slow, startMs = 0 }: Demand): number {
  const trend = Math.max(0, (fast - slow) / (SLOW_MS - FAST_MS))
  return Math.max(slow, fast + trend * (FAST_MS + startMs))
}

function fade(demand: Demand, now: number): Demand {
  const passed = Math.max(0, now - demand.at)
  if (passed === 0) return demand
  const left = (average: number, overMs: number) => average * Math.exp(-passed / overMs)
  const { fast, slow, peak, startMs } = demand
  return { fast: left(fast, FAST_MS), slow: left(slow, SLOW_MS), peak: left(peak, PEAK_MS), at: now, startMs }
}
