/**
 * The `nested` tier: many executions share a Job, each in a sandbox that the agent makes for it and destroys after it. To the pool a slot is one more single-use
 * sandbox; when one is free, `start` needs neither a call nor time.
 */
import { AppError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Sandbox, SandboxProvider } from '../core/ports.ts'
import { type Clock, systemClock } from '../core/time.ts'
import { AgentJobs, type AttachedJob } from './agent-jobs.ts'
import type { Tell } from './events.ts'
import type { KubeHttp } from './http.ts'
import { Jobs } from './jobs.ts'
import { labelValue } from './labels.ts'
import { LanguageHosts } from './language-hosts.ts'
import { buildNestedJob, missingFromNestedJob } from './nested-job-spec.ts'
import type { NestedSettings, RunnerKubernetesConfig, SandboxSettings } from './settings.ts'

export interface NestedLanguage {
  sandbox: SandboxSettings
  nested: NestedSettings
}

export interface NestedProviderOptions {
  http: Pick<KubeHttp, 'call' | 'open' | 'socketOptions'>
  /** Of the Jobs. */
  namespace: string
  config: Pick<RunnerKubernetesConfig, 'RETENTION_SECONDS' | 'START_DEADLINE_MS' | 'UNSCHEDULABLE_GRACE_MS'>
  languages: Record<string, NestedLanguage>
  /** The runner's own name, unique among those that live: its pod's name. */
  runner: string
  log: Log
  clock?: Clock
  /** Told how the Jobs do. */
  tell?: Tell | undefined
}

/** A provider that ends its Jobs when it is disposed of. */
export function createNestedProvider(options: NestedProviderOptions): SandboxProvider & AsyncDisposable {
  return new NestedProvider(options)
}

class NestedProvider implements SandboxProvider, AsyncDisposable {
  readonly #options: NestedProviderOptions
  readonly #agents: AgentJobs
  readonly #jobs: Jobs
  readonly #runner: string
  readonly #hosts: ReadonlyMap<string, LanguageHosts>
  readonly #checked = new Set<string>()

  constructor(options: NestedProviderOptions) {
    const { http, namespace, config, log, clock, tell, languages } = options
    this.#options = options
    this.#runner = labelValue(options.runner)
    this.#jobs = new Jobs(http, namespace)
    this.#agents = new AgentJobs({ http, namespace, config, runner: this.#runner, log, clock, tell })
    this.#hosts = new Map(
      Object.entries(languages).map(([language, settings]) => [language, this.#hostsOf(language, settings)]),
    )
  }

  async start(language: string, signal: AbortSignal): Promise<Sandbox> {
    const hosts = this.#hosts.get(language)
    if (!hosts) throw new AppError('sandbox_unavailable', `There are no settings for the language ${language}`)
    return await hosts.start(signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#hosts.values()].map((hosts) => hosts[Symbol.asyncDispose]()))
    await this.#agents[Symbol.asyncDispose]()
  }

  #hostsOf(language: string, settings: NestedLanguage): LanguageHosts {
    const { slots, executionsPerJob, maxAgeSeconds } = settings.nested
    return new LanguageHosts({
      language,
      startJob: (signal) => this.#startJob(language, settings, signal),
      wanted: { slots, executionsPerJob, maxAgeMs: maxAgeSeconds * 1000 },
      clock: this.#options.clock ?? systemClock,
      log: this.#options.log,
    })
  }

  async #startJob(language: string, settings: NestedLanguage, signal: AbortSignal): Promise<AttachedJob> {
    const facts = { language, runner: this.#runner, retentionSeconds: this.#options.config.RETENTION_SECONDS }
    const build = (name: string) => buildNestedJob(settings.sandbox, settings.nested, { name, ...facts })
    if (!this.#checked.has(language)) {
      const missing = missingFromNestedJob(await this.#jobs.tryOut(build(`${language}-check`), signal))
      if (missing !== undefined) throw new AppError('sandbox_unavailable', `Its Job would not be closed: ${missing}`)
      this.#checked.add(language)
    }
    return await this.#agents.start({ language, shared: true, build }, signal)
  }
}
