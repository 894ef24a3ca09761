import type { Log } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { SandboxProvider } from '../core/ports.ts'
import { systemClock } from '../core/time.ts'
import type { Tell } from './events.ts'
import type { KubeHttp } from './http.ts'
import { createNestedProvider, type NestedLanguage } from './nested-provider.ts'
import { createJobProvider } from './sandbox-provider.ts'
import type { RunnerKubernetesConfig } from './settings.ts'
import { createTieredProvider } from './tiered-provider.ts'

export interface ProviderOptions {
  http: KubeHttp
  config: RunnerKubernetesConfig
  languages: Record<string, NestedLanguage & { tier: 'job' | 'nested' }>
  /** The runner's own name, unique among those that live: its pod's name. */
  runner: string
  metrics: Metrics
  log: Log
  /** Told how the Jobs do. */
  tell?: Tell | undefined
}

/** The sandboxes of all languages, each from the tier that was chosen for it. Disposing of it ends the Jobs that executions share, and the watches. */
export function createProvider(options: ProviderOptions): SandboxProvider & AsyncDisposable {
  const { http, config, runner, metrics, log, tell } = options
  const all = Object.entries(options.languages)
  const sandboxes = Object.fromEntries(all.map(([language, { sandbox }]) => [language, sandbox]))
  const common = { http, config, runner, log, tell }
  const job = createJobProvider({ ...common, languages: sandboxes })
  const shared = all.filter(([, { tier }]) => tier === 'nested')
  if (config.NESTED_NAMESPACE === undefined || shared.length === 0) return job
  const namespace = config.NESTED_NAMESPACE
  const nested = createNestedProvider({ ...common, namespace, languages: Object.fromEntries(shared) })
  const languages = shared.map(([language]) => language)
  const tiered = createTieredProvider({ job, nested, languages, metrics, log, clock: systemClock })
  return {
    start: (language, signal) => tiered.start(language, signal),
    async [Symbol.asyncDispose]() {
      await Promise.all([job[Symbol.asyncDispose](), nested[Symbol.asyncDispose]()])
    },
  }
}
