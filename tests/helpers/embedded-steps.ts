/** The way of a scheduled execution through the embedded mode: after each of these the process can die. */
export const STEPS = [
  /** Its row is in a transaction that is still open. */
  'accepted-uncommitted',
  /** Its row is committed, and the caller has not heard of it. */
  'accepted',
  /** The caller has heard 202. */
  'accepted-told',
  /** Its row says that it is out. */
  'claimed',
  /** The runner has it. */
  'delivered',
  /** Its sandbox has the program. */
  'started',
  /** The runner has its result. */
  'ended',
  /** Its record is in a transaction that is still open. */
  'recorded-uncommitted',
  /** Its record is committed, and its row still there. */
  'recorded',
  /** Its row is removed in a transaction that is still open. */
  'removed-uncommitted',
  /** Its row is gone. */
  'removed',
  /** Somebody has read its result. */
  'result-read',
] as const

export type Step = (typeof STEPS)[number]
