import { toError } from '../core/errors.ts'

/** One line of a watch, not yet looked into. */
export interface WatchEvent {
  type: string
  object: unknown
}

/** An object is 1.5 MiB in etcd at most; as JSON with escapes it can be some times that. */
const MAX_LINE_BYTES = 16 * 1024 * 1024

/**
 * Cuts the body of a watch into its events, however the bytes are split. A line that ends with the stream and not with a newline was cut and is dropped: what it
 * said comes again after the last resourceVersion.
 * @throws Error on a line that is not JSON, or is endless.
 */
export class WatchLines {
  #pending: Buffer[] = []
  #bytes = 0

  push(chunk: Buffer): WatchEvent[] {
    const events: WatchEvent[] = []
    let start = 0
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      this.#keep(chunk.subarray(start, end))
      const line = Buffer.concat(this.#pending, this.#bytes).toString('utf8')
      this.#pending = []
      this.#bytes = 0
      start = end + 1
      if (line.trim() !== '') events.push(parseEvent(line))
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start))
    return events
  }

  #keep(part: Buffer): void {
    this.#bytes += part.length
    if (this.#bytes > MAX_LINE_BYTES) throw new Error(`A line of the watch is longer than ${MAX_LINE_BYTES} bytes`)
    this.#pending.push(part)
  }
}

function parseEvent(line: string): WatchEvent {
  try {
    const value = JSON.parse(line) as Partial<WatchEvent> | null
    if (typeof value?.type === 'string') return { type: value.type, object: value.object }
  } catch (error) {
    throw new Error(`A line of the watch is not JSON: ${toError(error).message}`)
  }
  throw new Error('A line of the watch is no event')
}
