import { z } from 'zod'
import { ApiConfig, SettingsConfig } from '../api/config.ts'
import { BrokerConfig } from '../broker/config.ts'
import { integer, port } from '../core/config.ts'
import { TracesConfig } from '../telemetry/open-traces.ts'

const MEBIBYTE = 1024 * 1024

/** What means the same as on Kubernetes has the same name and default there. */
const { LIMITS, LOG_LEVEL } = ApiConfig.shape
const { QUEUE_MAX_LENGTH, RUN_QUEUE_MAX_LENGTH, DELIVERY_LIMIT } = BrokerConfig.shape

/** The environment of the embedded mode. Each has a default: `npm start` needs nothing. */
export const LocalConfig = z.object({
  ...SettingsConfig.shape,
  ...TracesConfig.shape,
  /** Whoever can reach this address can run programs here. */
  HOST: z.string().default('127.0.0.1'),
  PORT: port().default(8080),
  /** Queue, results and the key of the ids. */
  DATA_DIR: z.string().default('./data'),
  /** Sandboxes that wait for their program, per language. An idle one has about 20 MiB (Python) to 60 MiB (Node). */
  WARM: integer(0, 1000).default(2),
  /** Sandboxes of one language at the same time. Default: two for each processor, at least 4. */
  MAX: integer(1, 1000).optional(),
  LIMITS,
  QUEUE_MAX_LENGTH,
  /** Bytes of all scheduled executions together: they are on somebody's laptop. */
  QUEUE_MAX_BYTES: integer(1).default(1024 * MEBIBYTE),
  RUN_QUEUE_MAX_LENGTH,
  DELIVERY_LIMIT,
  /** How long executions may still run after SIGTERM or Ctrl-C. */
  DRAIN_SECONDS: integer(0, 86_400).default(10),
  LOG_LEVEL,
})

export type LocalConfig = z.infer<typeof LocalConfig>
