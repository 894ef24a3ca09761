import type { Sandbox } from '../core/ports.ts'
import type { Hold } from './plan.ts'

/** A sandbox that belongs to one execution. */
export interface Claim {
  readonly sandbox: Sandbox
  /** `warm`: it was ready and waiting. `cold`: the claim had to wait for it to start. */
  readonly path: 'warm' | 'cold'
  /** Destroys the sandbox; safe to call again. Resolves when it no longer counts, never rejects. */
  release(): Promise<void>
}

/** How a pool stands. `held` says why nothing is started at the moment. */
export interface Capacity {
  warm: number
  max: number
  starting: number
  idle: number
  claimed: number
  ending: number
  waiting: number
  held: Hold | undefined
  /** The version of the interpreter in the sandbox that became ready last. */
  version: string | undefined
}

export interface PoolSize {
  warm: number
  max: number
  /** Deliveries that may be taken beyond `max`, at most: runner/lookahead.ts. None when it is missing. */
  ahead?: number
}
