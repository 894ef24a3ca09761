import type { Sandbox } from '../core/ports.ts'

/**
 * One place in a pool, from the decision to start a sandbox until nothing of it is left. It is used for one execution at most:
 *
 *     starting --ready--> idle --claim--> claimed --release--> ending --destroyed--> gone
 *        |                  '---- retired, died, drained ------> ending
 *        '---- failed, late ------------------------------------------------------> gone
 *
 * - `starting`: counted from before the provider is asked. It has no sandbox.
 * - `idle`: its agent said ready, its stream is attached; it may be claimed.
 * - `claimed`: it belongs to one execution. It never becomes idle again.
 * - `ending`: being destroyed. It still counts, since it still holds memory.
 * - `gone`: does not count.
 *
 * No state is entered twice. A transition that is not in the picture is a bug of ours and throws.
 */
export type PlaceState = 'starting' | 'idle' | 'claimed' | 'ending' | 'gone'

export const LIVING_STATES = ['starting', 'idle', 'claimed', 'ending'] as const satisfies readonly PlaceState[]

/** The one event of a transition; `from` is undefined for a new place. */
export type TransitionListener = (from: PlaceState | undefined, to: PlaceState) => void

export class PooledSandbox {
  /** Monotonic milliseconds at which its start was asked for. */
  readonly startedAt: number
  /** Monotonic milliseconds at which it became idle. */
  readyAt = 0
  readonly #onTransition: TransitionListener
  #state: PlaceState | undefined
  #sandbox: Sandbox | undefined

  constructor(startedAt: number, onTransition: TransitionListener) {
    this.startedAt = startedAt
    this.#onTransition = onTransition
    this.#enter('starting', [undefined])
  }

  get state(): PlaceState | undefined {
    return this.#state
  }

  /** @throws Error before the sandbox is ready. */
  get sandbox(): Sandbox {
    if (!this.#sandbox) throw new Error(`A sandbox that is ${this.#state} can not be used`)
    return this.#sandbox
  }

  enterIdle(sandbox: Sandbox, now: number): void {
    this.#enter('idle', ['starting'])
    this.#sandbox = sandbox
    this.readyAt = now
  }

  enterClaimed(): void {
    this.#enter('claimed', ['idle'])
  }

  enterEnding(): void {
    this.#enter('ending', ['idle', 'claimed'])
  }

  enterGone(): void {
    this.#enter('gone', ['starting', 'ending'])
  }

  #enter(next: PlaceState, allowed: readonly (PlaceState | undefined)[]): void {
    const previous = this.#state
    if (!allowed.includes(previous)) throw new Error(`A sandbox that is ${previous} can not become ${next}`)
    this.#state = next
    this.#onTransition(previous, next)
  }
}
