import { toError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Clock } from '../core/time.ts'
import type { HeldJob } from './held-job.ts'
import type { Jobs } from './jobs.ts'
import { ANNOTATION, LABEL } from './labels.ts'
import type { MetadataPatch } from './record.ts'
import { retrying } from './retry.ts'

/** What is written on the Job later waits for this, so not for long. */
const BUDGET_MS = 30_000

/**
 * Says on a Job that its agent is ready, and which version it has. For those who look, and nobody waits; but a sandbox may be warm for an hour, so an API server that
 * takes it not at once is asked again, until the Job has more to say. Never throws.
 */
export async function announceWarm(
  job: HeldJob,
  version: string,
  { jobs, clock, log }: { jobs: Jobs; clock: Clock; log: Log },
): Promise<void> {
  job.tell({ reason: 'Warm', message: `Its agent is ready, with version ${version}` })
  const write = async () => {
    if (job.holdsRecord && !job.shared) return
    const change: MetadataPatch = {
      metadata: { labels: { [LABEL.state]: 'warm' }, annotations: { [ANNOTATION.version]: version } },
    }
    if (job.shared && !job.holdsRecord) change.metadata.labels[LABEL.executions] = '0'
    await jobs.patch(job.name, change)
  }
  try {
    await job.inOrder(() => retrying(write, { clock, budgetMs: BUDGET_MS }))
  } catch (thrown) {
    log.debug({ job: job.name, error: toError(thrown).message }, 'a Job could not be marked as warm')
  }
}
