import { z } from 'zod'
import { BrokerConfig } from '../broker/config.ts'
import { flag, integer, json, logLevel, port } from '../core/config.ts'
import { LanguageAlias, LanguageName, Languages } from '../core/languages.ts'
import { LimitSettings } from '../core/limits.ts'
import { ApiKubernetesConfig } from '../k8s/settings.ts'
import { TracesConfig } from '../telemetry/open-traces.ts'
import { KEY_HASH } from './auth.ts'
import { ORIGIN } from './cors.ts'
import { type ApiSettings, DEFAULT_SETTINGS } from './deps.ts'

const MEBIBYTE = 1024 * 1024

/** `{"python": {"aliases": ["py"], ...}}`; what else is said of a language is for the runner. */
const LanguageMap = z
  .record(LanguageName, z.looseObject({ aliases: z.array(LanguageAlias).default([]) }))
  .transform((map, context) => {
    if (Object.keys(map).length === 0) context.addIssue({ code: 'custom', message: 'names no language' })
    try {
      return new Languages(Object.entries(map).map(([name, { aliases }]) => ({ name, aliases })))
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message })
      return z.NEVER
    }
  })

const words = (text: string) => text.split(/[\s,]+/).filter((word) => word !== '')

const KeyHashes = z
  .string()
  .transform(words)
  .pipe(z.array(z.string().regex(KEY_HASH, 'must be SHA-256 hashes in lower-case hex, with commas between them')))

const Origins = z
  .string()
  .transform(words)
  .pipe(
    z.array(z.string().regex(ORIGIN, 'must be origins such as https://judge.example.com, or *, with commas between')),
  )

/** The environment of the API on Kubernetes. */
export const ApiConfig = z.object({
  ...BrokerConfig.shape,
  ...ApiKubernetesConfig.shape,
  ...TracesConfig.shape,
  /** The address to listen on; all of them when it is not set. */
  HOST: z.string().optional(),
  PORT: port().default(8080),
  /** Health and metrics, where no Ingress leads. */
  METRICS_PORT: port().default(9090),
  LOG_LEVEL: logLevel(),
  LANGUAGES: json(LanguageMap),
  /** JSON: defaults and maxima of the limits, as in core/limits.ts. */
  LIMITS: json(LimitSettings).prefault('{}'),
  /** The secret that ids are made and checked with; the same in every replica, kept across upgrades. */
  ID_KEY: z.string().min(16, 'must have at least 16 characters'),
  MAX_BODY_BYTES: integer(1024, 64 * MEBIBYTE).default(DEFAULT_SETTINGS.maxBodyBytes),
  /** The longest `?wait=` of a check. Load balancers commonly cut a silent connection after 60 s. */
  MAX_CHECK_WAIT_MS: integer(0, 600_000).default(DEFAULT_SETTINGS.maxCheckWaitMs),
  /** How long results are kept: the same as the runner's. */
  RETENTION_SECONDS: integer(60, 30 * 86_400).default(DEFAULT_SETTINGS.retentionSeconds),
  /** Whether answers to run say where the time went. */
  TIMINGS: flag().prefault('false'),
  /** SHA-256 (hex) of the keys that open /api/*, with commas between them; not set: no key is needed. */
  API_KEY_HASHES: KeyHashes.default([]),
  /** Origins whose pages may call /api/* from a browser, with commas between them; `*` for all; not set: none. */
  CORS_ORIGINS: Origins.default([]),
  /** Requests that each key may make in the window, on each replica; 0 in this and the next ones: no limit. Without keys nothing is limited. */
  CALLER_REQUESTS: integer(0).default(6_000),
  CALLER_WINDOW_SECONDS: integer(1, 86_400).default(60),
  /** Runs that each key may have at a time, on each replica. */
  CALLER_RUNS: integer(0).default(32),
  /** Scheduled executions of each key that may wait or run, on all replicas together; a tenth of what a queue holds. */
  CALLER_OUTSTANDING: integer(0).default(10_000),
})
export type ApiConfig = z.infer<typeof ApiConfig>

/** What means the same on Kubernetes and embedded: the second has it under the same names, with the same defaults. */
const {
  MAX_BODY_BYTES,
  RUN_WAIT_MS,
  MAX_CHECK_WAIT_MS,
  RETENTION_SECONDS,
  TIMINGS,
  API_KEY_HASHES,
  CORS_ORIGINS,
  CALLER_REQUESTS,
  CALLER_WINDOW_SECONDS,
  CALLER_RUNS,
  CALLER_OUTSTANDING,
} = ApiConfig.shape

export const SettingsConfig = z.object({
  ...{ MAX_BODY_BYTES, RUN_WAIT_MS, MAX_CHECK_WAIT_MS, RETENTION_SECONDS, TIMINGS, API_KEY_HASHES, CORS_ORIGINS },
  ...{ CALLER_REQUESTS, CALLER_WINDOW_SECONDS, CALLER_RUNS, CALLER_OUTSTANDING },
})
type SettingsConfig = z.infer<typeof SettingsConfig>

/** What the app needs of the environment, the same on Kubernetes and embedded. */
export function apiSettings(config: SettingsConfig): ApiSettings {
  return {
    maxBodyBytes: config.MAX_BODY_BYTES,
    runWaitMs: config.RUN_WAIT_MS,
    maxCheckWaitMs: config.MAX_CHECK_WAIT_MS,
    retentionSeconds: config.RETENTION_SECONDS,
    timings: config.TIMINGS,
    apiKeys: config.API_KEY_HASHES,
    corsOrigins: config.CORS_ORIGINS,
    callerLimits: {
      requests: config.CALLER_REQUESTS,
      windowSeconds: config.CALLER_WINDOW_SECONDS,
      runs: config.CALLER_RUNS,
      outstanding: config.CALLER_OUTSTANDING,
    },
  }
}
