import type { Result } from '../core/execution.ts'
import { type OutputFrame, outputBytes } from '../core/frames.ts'
import { encodeOutput } from '../core/output.ts'

/**
 * How far an agent may go beyond the limit before it counts as a flood. An honest one stops at the limit; one more chunk of 32 KiB for each stream
 * could be on its way, the rest is room for agents that count differently.
 */
const FLOOD_MARGIN_BYTES = 256 * 1024

type Text = Pick<Result, 'stdout' | 'stdoutEncoding' | 'stderr' | 'stderrEncoding'>

/** What a guest wrote, up to its limit for both streams together; so much is held and no more, whatever the agent sends. */
export class CollectedOutput {
  readonly #limit: number
  readonly #chunks: Record<OutputFrame['stream'], Buffer[]> = { stdout: [], stderr: [] }
  #kept = 0
  #seen = 0
  #closed = false

  /** @param limit bytes */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Some bytes were not kept. */
  get dropped(): boolean {
    return this.#seen > this.#kept
  }

  /** False when this is more than any honest agent sends. */
  add(frame: OutputFrame): boolean {
    if (this.#closed) return true
    const bytes = outputBytes(frame)
    const kept = bytes.subarray(0, this.#limit - this.#kept)
    this.#seen += bytes.length
    this.#kept += kept.length
    if (kept.length > 0) this.#chunks[frame.stream].push(kept)
    return this.#seen <= this.#limit + FLOOD_MARGIN_BYTES
  }

  /** Takes nothing any more: the execution has ended. */
  close(): void {
    this.#closed = true
  }

  /** @param cut whether output is missing, so that its last character may be incomplete. */
  encode(cut: boolean): Text {
    const stdout = encodeOutput(Buffer.concat(this.#chunks.stdout), cut)
    const stderr = encodeOutput(Buffer.concat(this.#chunks.stderr), cut)
    return {
      stdout: stdout.text,
      stdoutEncoding: stdout.encoding,
      stderr: stderr.text,
      stderrEncoding: stderr.encoding,
    }
  }
}
