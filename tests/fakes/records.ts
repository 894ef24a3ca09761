import { setTimeout } from 'node:timers/promises'
import type { Lookup, Records } from '../../core/ports.ts'

/** Knows what it is told in `known`. A wait for what has not ended lasts its whole time, or until the signal, which it rejects with like a store would. */
export class FakeRecords implements Records {
  readonly known = new Map<string, Lookup>()
  readonly lookups: { id: string; waitMs: number }[] = []
  failure: Error | undefined

  async find(id: string, waitMs: number, signal?: AbortSignal): Promise<Lookup> {
    this.lookups.push({ id, waitMs })
    if (this.failure) throw this.failure
    if (waitMs > 0 && this.known.get(id)?.status !== 'final') await setTimeout(waitMs, undefined, { signal })
    return this.known.get(id) ?? { status: 'queued' }
  }
}
