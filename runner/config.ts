import { z } from 'zod'
import { BrokerConfig } from '../broker/config.ts'
import { flag, integer, json, logLevel, port } from '../core/config.ts'
import { LanguageAlias, LanguageName } from '../core/languages.ts'
import { NestedSettings, RunnerKubernetesConfig, SandboxSettings } from '../k8s/settings.ts'
import { TracesConfig } from '../telemetry/open-traces.ts'
import { DEFAULT_SETTINGS } from './settings.ts'

/** Of `max`: so many deliveries may wait for nothing but their record. A group of records is written once a second, and a place serves some 10 in that time. */
const AHEAD_FACTOR = 8

/** One language as an operator describes it. What is not said here is about its sandboxes: k8s/settings.ts. */
const LanguageSettings = z
  .strictObject({
    ...SandboxSettings.shape,
    /** For the api. */
    aliases: z.array(LanguageAlias).default([]),
    /** How sandboxes are made; `job`: a Job for each execution, `nested`: many executions share a Job, each in a sandbox of its own. */
    tier: z.enum(['job', 'nested']).default('job'),
    /** For the nested tier. */
    nested: NestedSettings.prefault({}),
    /** Sandboxes that each runner keeps ready. */
    warm: z.int().min(0).default(1),
    /** Sandboxes that each runner may have at a time, whatever their state. */
    max: z.int().min(1).default(4),
  })
  .refine(({ warm, max }) => warm <= max, 'warm is above max')
  .transform(({ aliases: _aliases, tier, nested, warm, max, ...sandbox }) => ({
    pool: { warm, max, ahead: tier === 'nested' ? max * AHEAD_FACTOR : 0 },
    tier,
    nested,
    sandbox,
  }))

const LanguageMap = z
  .record(LanguageName, LanguageSettings)
  .refine((languages) => Object.keys(languages).length > 0, 'names no language')

/** The environment of a runner on Kubernetes. */
export const RunnerConfig = z.object({
  ...BrokerConfig.shape,
  ...RunnerKubernetesConfig.shape,
  ...TracesConfig.shape,
  /** JSON by canonical name: `{"python": {"image": "...", "warm": 2, "max": 8}}`. */
  LANGUAGES: json(LanguageMap),
  /** Unique among the runners that live: the pod's name. */
  RUNNER_NAME: z.string().regex(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/, 'must be the name of a pod'),
  /** How long executions may still run after SIGTERM; the pod's grace period must be 15 s longer. */
  DRAIN_SECONDS: integer(0, 86_400).default(DEFAULT_SETTINGS.drainMs / 1000),
  /** Sandboxes that are started at the same time for refilling a busy pool. */
  REFILL_AT_ONCE: integer(1, 100).default(DEFAULT_SETTINGS.refillAtOnce),
  /** Idle sandboxes older than this are replaced, so that images and nodes roll. */
  MAX_IDLE_SECONDS: integer(10, 30 * 86_400).default(DEFAULT_SETTINGS.maxIdleMs / 1000),
  /** The address for health and metrics; all of them when it is not set. */
  HOST: z.string().optional(),
  METRICS_PORT: port().default(9090),
  LOG_LEVEL: logLevel(),
  /** Whether replies say where the time went. */
  TIMINGS: flag().prefault('false'),
})
export type RunnerConfig = z.infer<typeof RunnerConfig>
