import { z } from 'zod'
import { integer } from '../core/config.ts'

/** What api and runner must know of RabbitMQ; both spread it into their own schema. The two must agree, since whoever comes first declares the queues. */
export const BrokerConfig = z.object({
  /** `amqp://` or `amqps://`, with user, password and virtual host; `?heartbeat=` (seconds) may be added. */
  AMQP_URL: z.string().regex(/^amqps?:\/\/./, 'must be an amqp:// or amqps:// URL'),
  /** Every queue and exchange has a name that starts with it, so that a broker user can be limited to them, and several installations can share a broker. */
  QUEUE_PREFIX: z
    .string()
    .regex(/^[a-z0-9._-]{1,40}$/, 'must be 1 to 40 characters of a-z 0-9 . _ -')
    .default('runlet.'),
  /** Scheduled executions that may wait, for each language; more are refused. */
  QUEUE_MAX_LENGTH: integer(1).default(100_000),
  /** The same for runs, whose callers wait: a longer queue than the runners can empty in the wait would only be refused later. */
  RUN_QUEUE_MAX_LENGTH: integer(1).default(100),
  /** How long POST /api/run waits before it answers 202. */
  RUN_WAIT_MS: integer(1, 600_000).default(30_000),
  /** A run waits at most so long for a runner that takes it. Not set: a little less than its caller does (runTtlMs), who then hears why. */
  RUN_QUEUE_TTL_MS: integer(1).optional(),
  /**
   * How long after its longest wall time a run whose caller was told 202 is taken to be lost, and tried anew: the agent's grace, a sandbox that is found dead, a
   * record that is written again and again.
   */
  RUN_ADOPTED_MARGIN_MS: integer(1).default(60_000),
  /** So many times a scheduled execution is handed out again before it is given up. A runner that drains gives back what only waited, which counts too. */
  DELIVERY_LIMIT: integer(0, 1_000).default(5),
})

export type BrokerSettings = z.infer<typeof BrokerConfig>

/** How long a run may wait for a runner: five sixths of what its caller waits, unless it was set. */
export function runTtlMs({
  RUN_QUEUE_TTL_MS,
  RUN_WAIT_MS,
}: Pick<BrokerSettings, 'RUN_QUEUE_TTL_MS' | 'RUN_WAIT_MS'>): number {
  return RUN_QUEUE_TTL_MS ?? Math.max(1, Math.floor((RUN_WAIT_MS * 5) / 6))
}
