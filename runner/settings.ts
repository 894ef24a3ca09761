/** What an operator may tune of a runner; times in milliseconds. */
export interface RunnerSettings {
  /** How long executions that run may still take when the runner is told to stop: above the longest wall time (60 s by default), below the grace period of its pod. */
  drainMs: number
  /** Whether replies say where the time went. */
  timings: boolean
  /** Starts in flight for refilling while the pool is busy. More refills faster and takes more CPU from the executions beside. */
  refillAtOnce: number
  /** How long a refill waits after its cause, so that it does not compete with the execution that was just claimed (a warm one takes 3 to 20 ms). */
  refillDelayMs: number
  /** How long after the last claim a pool counts as busy. */
  quietMs: number
  /** Idle sandboxes older than this are replaced. */
  maxIdleMs: number
  /** Failed starts in a row after which a pool is held. */
  holdAfter: number
  holdBaseMs: number
  holdCapMs: number
  /** A sandbox that lives this long shows that starting works; one that dies sooner, unused, counts as a failed start. */
  provenMs: number
  /** Backstop for a provider that never answers; its own deadline must be shorter. */
  startDeadlineMs: number
  /** After this a sandbox that is being destroyed no longer counts, so that one that hangs does not take a place for ever. */
  destroyDeadlineMs: number
  /** Runs that may wait per language, as a multiple of `max`. */
  waitingRunsFactor: number
  /** How long a scheduled execution waits for a sandbox before it goes back to the queue; below RabbitMQ's 30 minutes for an acknowledgement. */
  claimWaitMs: number
  /** A run fails this long before its caller gives up, so that the caller still hears why. */
  replyMarginMs: number
  /** What an agent gets beyond the wall time before it counts as stuck: killing what is left, and a starved node. */
  graceMs: number
  /** An execution that runs this long is shown as running. A shorter one would pay an API call for something nobody sees. */
  markRunningAfterMs: number
  /** Pauses between attempts to write a record. */
  recordRetryMs: readonly number[]
}

export const DEFAULT_SETTINGS: RunnerSettings = {
  drainMs: 70_000,
  timings: false,
  refillAtOnce: 2,
  refillDelayMs: 25,
  quietMs: 250,
  maxIdleMs: 3_600_000,
  holdAfter: 3,
  holdBaseMs: 1_000,
  holdCapMs: 60_000,
  provenMs: 5_000,
  startDeadlineMs: 180_000,
  destroyDeadlineMs: 60_000,
  waitingRunsFactor: 1,
  claimWaitMs: 900_000,
  replyMarginMs: 100,
  graceMs: 2_000,
  markRunningAfterMs: 500,
  recordRetryMs: [100, 500, 2_000, 5_000],
}
