import type { Envelope } from '../core/execution.ts'
import type { Lookup, Records } from '../core/ports.ts'
import type { ApiDeps } from './deps.ts'
import { type ExecutionRequest, toProgram } from './request.ts'

/** A checked request as what travels through the queue, with a new id. */
export function createEnvelope(
  request: ExecutionRequest,
  { ids, clock, limits, log }: Pick<ApiDeps, 'ids' | 'clock' | 'limits' | 'log'>,
): Envelope {
  const now = clock.now()
  const envelope: Envelope = { version: 1, id: ids.create(now), acceptedAt: now, program: toProgram(request, limits) }
  log.debug({ id: envelope.id, language: envelope.program.language }, 'A request became an execution')
  return envelope
}

export const checkLocation = (id: string) => `/api/schedule/check/${id}`

/** How an execution stands that outlasted its wait. When the records can't be reached, all that is sure is that it was accepted. */
export function resultOrQueued(records: Records, id: string): Promise<Lookup> {
  return records.find(id, 0).catch((): Lookup => ({ status: 'queued' }))
}
