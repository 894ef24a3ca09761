import type { FinalStatus } from './execution.ts'
import type { ResultFrame } from './frames.ts'

/**
 * What ended an execution first. The agent's causes come in its `result` frame; ours are
 * `deadline` (no result in time: the agent is stuck or starved), `flood` (more output than any honest agent sends) and
 * `sandbox_out_of_memory` (the kernel ended the whole sandbox: cgroup v2 kills the agent with the guest).
 */
export type Cause = ResultFrame['cause'] | 'deadline' | 'flood' | 'sandbox_out_of_memory'

export interface Ending {
  cause: Cause
  exitCode: number | null
  signal: string | null
}

const STATUS_OF: { [Name in Exclude<Cause, 'exited'>]: FinalStatus } = {
  wall_time: 'timed_out',
  cpu_time: 'timed_out',
  deadline: 'timed_out',
  memory: 'out_of_memory',
  sandbox_out_of_memory: 'out_of_memory',
  output: 'output_limit',
  flood: 'output_limit',
  cancelled: 'killed',
}

/** The status of an execution that ended. Nothing here is rewritten later: the first cause is the only one that is kept. */
export function statusOf({ cause, exitCode }: Ending): FinalStatus {
  if (cause !== 'exited') return STATUS_OF[cause]
  return exitCode === 0 ? 'succeeded' : 'failed'
}
