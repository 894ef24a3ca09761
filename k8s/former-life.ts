import type { Log } from '../core/log.ts'
import type { KubeHttp } from './http.ts'
import { Jobs } from './jobs.ts'
import { LABEL, labelValue, MANAGED_BY } from './labels.ts'
import { recordTexts } from './record.ts'

export interface FormerLifeOptions {
  http: Pick<KubeHttp, 'call'>
  /** Where sandboxes of this runner may be. */
  namespaces: readonly string[]
  /** As given to createJobProvider. */
  runner: string
  log: Log
}

/**
 * Removes the sandboxes that a runner of the same name left: a container that was killed is started again in its pod, and its Lease goes on, so for the janitor
 * these Jobs belong to somebody who lives. To be called before the first sandbox is made.
 * @returns how many were removed
 * @throws KubeError
 */
export async function removeFormerLife({ http, namespaces, runner, log }: FormerLifeOptions): Promise<number> {
  const selector = `${LABEL.managedBy}=${MANAGED_BY},${LABEL.runner}=${labelValue(runner)},${LABEL.state}!=finished`
  let removed = 0
  for (const jobs of namespaces.map((namespace) => new Jobs(http, namespace))) {
    for await (const { metadata } of jobs.list(selector)) {
      // What holds records stays until its time is over, whoever made it.
      if (recordTexts(metadata).length > 0) continue
      await jobs.delete(metadata.name, metadata.uid)
      removed += 1
    }
  }
  if (removed > 0) log.info({ removed }, 'Sandboxes of the former life of this runner were removed')
  return removed
}
