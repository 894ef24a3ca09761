import { z } from 'zod'
import { Encoding, ExecutionFile, ExecutionLimits } from './execution.ts'

/** The frames of images/PROTOCOL.md, which says what each of them means. */
export const PROTOCOL_VERSION = 1

/** An agent's line may be this long, in bytes without the newline: 32 KiB of control characters are 192 KiB as JSON escapes. */
export const MAX_AGENT_LINE_BYTES = 256 * 1024

const id = z.string()
const milliseconds = z.int().nonnegative()

export const HelloFrame = z.object({ type: z.literal('hello'), protocol: z.literal(PROTOCOL_VERSION) })

export const ExecuteFrame = z.object({
  type: z.literal('execute'),
  id,
  code: z.string(),
  stdin: z.string(),
  args: z.array(z.string()),
  env: z.record(z.string(), z.string()),
  files: z.array(ExecutionFile),
  limits: ExecutionLimits,
})

export const CancelFrame = z.object({ type: z.literal('cancel'), id })

export const RunnerFrame = z.discriminatedUnion('type', [HelloFrame, ExecuteFrame, CancelFrame])
export type RunnerFrame = z.infer<typeof RunnerFrame>

export const ReadyFrame = z.object({
  type: z.literal('ready'),
  protocol: z.literal(PROTOCOL_VERSION),
  language: z.string(),
  version: z.string(),
  slots: z.int().positive(),
})
export type ReadyFrame = z.infer<typeof ReadyFrame>

export const OutputFrame = z.object({
  type: z.literal('output'),
  id,
  stream: z.enum(['stdout', 'stderr']),
  data: z.string(),
  encoding: Encoding,
})
export type OutputFrame = z.infer<typeof OutputFrame>

export const ResultFrame = z.object({
  type: z.literal('result'),
  id,
  cause: z.enum(['exited', 'wall_time', 'cpu_time', 'memory', 'output', 'cancelled']),
  phase: z.enum(['compile', 'run']),
  exitCode: z.int().nullable(),
  signal: z.string().nullable(),
  wallTimeMs: milliseconds,
  cpuTimeMs: milliseconds,
  memoryBytes: z.int().nonnegative(),
  truncated: z.boolean(),
})
export type ResultFrame = z.infer<typeof ResultFrame>

export const FaultFrame = z.object({ type: z.literal('fault'), id: id.nullable(), message: z.string() })

export const AgentFrame = z.discriminatedUnion('type', [ReadyFrame, OutputFrame, ResultFrame, FaultFrame])
export type AgentFrame = z.infer<typeof AgentFrame>

/** What arrived is not a frame: the sandbox that sent it is given up. */
export class FrameError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'FrameError'
  }
}

export function encodeFrame(frame: RunnerFrame): string {
  return `${JSON.stringify(frame)}\n`
}

/**
 * Cuts a byte stream into an agent's frames, however the bytes are split. What comes out of a sandbox is untrusted: every frame is checked against its schema,
 * and no more than one line is ever held.
 */
export class FrameDecoder {
  #pending: Buffer[] = []
  #pendingBytes = 0

  /** @throws FrameError on a line that is no frame or is too long; the decoder must not be used after that. */
  push(chunk: Buffer): AgentFrame[] {
    const frames: AgentFrame[] = []
    let start = 0
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      frames.push(parseAgentFrame(this.#take(chunk.subarray(start, end))))
      start = end + 1
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start))
    return frames
  }

  #take(tail: Buffer): string {
    this.#keep(tail)
    const line = this.#pending.length === 1 ? tail : Buffer.concat(this.#pending, this.#pendingBytes)
    this.#pending = []
    this.#pendingBytes = 0
    return line.toString('utf8')
  }

  #keep(part: Buffer): void {
    this.#pendingBytes += part.length
    if (this.#pendingBytes > MAX_AGENT_LINE_BYTES)
      throw new FrameError(`A line is longer than ${MAX_AGENT_LINE_BYTES} bytes`)
    this.#pending.push(part)
  }
}

/** @throws FrameError when the line is not a frame that an agent may send. */
export function parseAgentFrame(line: string): AgentFrame {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (cause) {
    throw new FrameError('A line is not JSON', { cause })
  }
  const parsed = AgentFrame.safeParse(value)
  if (parsed.success) return parsed.data
  throw new FrameError(`A frame does not fit the protocol: ${z.prettifyError(parsed.error)}`)
}

/** The bytes of an output frame. */
export function outputBytes(frame: OutputFrame): Buffer {
  return Buffer.from(frame.data, frame.encoding)
}
