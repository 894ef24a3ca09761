import { AppError, toError } from '../core/errors.ts'
import type { Envelope, Result } from '../core/execution.ts'
import type { AgentFrame, ResultFrame } from '../core/frames.ts'
import { type Cause, statusOf } from '../core/outcome.ts'
import type { Sandbox, SandboxEnd, Timings } from '../core/ports.ts'
import { type Clock, NOT_NEEDED } from '../core/time.ts'
import { CollectedOutput } from './collected-output.ts'

export interface ExecuteOptions {
  clock: Clock
  /** What an agent gets beyond the wall time, in milliseconds, before it counts as stuck. */
  graceMs: number
}

export interface Execution {
  result: Result
  /** Unix milliseconds at which the sandbox was given the program. */
  startedAt: number
  /** Milliseconds from then to the first frame (`first_frame`) and to the end (`result`), and what the agent measured (`guest`). */
  timings: Timings
}

/**
 * What ended the execution: an ending with its cause, or our own trouble. Whatever comes first is kept, whatever comes later is ignored:
 * a result that arrives after the deadline does not turn `timed_out` into `succeeded`.
 */
type End = { cause: Cause; frame?: ResultFrame } | { trouble: AppError }

/**
 * Runs one program in a sandbox that nobody else has, and resolves with what it gave. The sandbox is of no use afterwards: the caller destroys it.
 * @throws AppError sandbox_lost: it ended, broke the protocol or reported a fault before there was a result.
 */
export async function execute(
  { id, program }: Envelope,
  sandbox: Sandbox,
  { clock, graceMs }: ExecuteOptions,
): Promise<Execution> {
  const { limits, language: _, ...rest } = program
  const output = new CollectedOutput(limits.outputBytes)
  const { promise: ended, resolve: end } = Promise.withResolvers<End>()
  const sent = clock.monotonic()
  const over = new AbortController()
  let firstFrame: number | undefined
  const finish = (how: End) => {
    output.close()
    over.abort(NOT_NEEDED)
    end(how)
  }

  sandbox.onFrame((frame) => {
    firstFrame ??= clock.monotonic()
    const last = take(frame, id, output)
    if (last) finish(last)
  })
  // Not once it is over: every sandbox ends, and an error for nobody costs more than all the rest here.
  void sandbox.ended.then((reason) => over.signal.aborted || finish(endOf(reason)))
  clock.sleep(limits.wallTimeMs + graceMs, over.signal).then(
    () => late(sandbox, finish),
    () => {},
  )
  const startedAt = clock.now()
  try {
    sandbox.send({ type: 'execute', id, ...rest, limits })
  } catch (thrown) {
    finish(lost(toError(thrown).message))
  }
  const last = await ended
  if ('trouble' in last) throw last.trouble
  const elapsed = clock.monotonic() - sent
  const result = resultOf(last, output, elapsed, limits.memoryBytes)
  const timings = { first_frame: (firstFrame ?? clock.monotonic()) - sent, guest: result.wallTimeMs, result: elapsed }
  return { result, startedAt, timings }
}

/**
 * The agent ends what exceeds its wall time, so it is the agent that is late: stuck, and its guest with it, or not to be heard any more. The latter is our own
 * trouble and says nothing of the program. What comes while that is found out is what counts.
 */
async function late(sandbox: Sandbox, finish: (how: End) => void): Promise<void> {
  const heard = sandbox.isHeard === undefined || (await sandbox.isHeard())
  finish(heard ? { cause: 'deadline' } : lost('Its stream carries nothing more'))
}

/** What a frame ends, if it ends anything. */
function take(frame: AgentFrame, id: string, output: CollectedOutput): End | undefined {
  if (frame.type === 'fault') return lost(`The agent reported a fault: ${frame.message}`)
  if (frame.type === 'ready') return lost('The agent said ready in the middle of an execution')
  if (frame.id !== id) return lost(`A frame is about the execution ${frame.id}`)
  if (frame.type === 'result') return { cause: frame.cause, frame }
  return output.add(frame) ? undefined : { cause: 'flood' }
}

function endOf(end: SandboxEnd): End {
  if (end.reason === 'out_of_memory') return { cause: 'sandbox_out_of_memory' }
  return lost(end.reason === 'lost' ? end.detail : 'The sandbox ended without a result')
}

const lost = (detail: string): End => ({
  trouble: new AppError('sandbox_lost', undefined, { cause: new Error(detail) }),
})

/** Without a result frame the figures are what we know from outside: the time that passed here, all of the memory when that was the cause, and the kill. */
function resultOf(
  { cause, frame }: { cause: Cause; frame?: ResultFrame },
  output: CollectedOutput,
  elapsedMs: number,
  memoryLimit: number,
): Result {
  const facts = frame ?? {
    exitCode: null,
    signal: 'SIGKILL',
    wallTimeMs: Math.round(elapsedMs),
    cpuTimeMs: 0,
    memoryBytes: cause === 'sandbox_out_of_memory' ? memoryLimit : 0,
    truncated: cause === 'flood',
  }
  const truncated = facts.truncated || output.dropped
  const { exitCode, signal, wallTimeMs, cpuTimeMs, memoryBytes } = facts
  const status = statusOf({ cause, exitCode, signal })
  return { status, ...output.encode(truncated), exitCode, signal, wallTimeMs, cpuTimeMs, memoryBytes, truncated }
}
