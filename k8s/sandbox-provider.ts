/** The `job` tier: each sandbox is a Job with one pod, used for one execution. Claiming one that is ready needs no call to the API server at all. */
import { randomInt } from 'node:crypto'
import { AppError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Sandbox, SandboxProvider } from '../core/ports.ts'
import type { Clock } from '../core/time.ts'
import { AgentJobs } from './agent-jobs.ts'
import type { Tell } from './events.ts'
import type { KubeHttp } from './http.ts'
import { JobSandbox } from './job-sandbox.ts'
import { buildSandboxJob, uidRange } from './job-spec.ts'
import { labelValue } from './labels.ts'
import type { RunnerKubernetesConfig, SandboxSettings } from './settings.ts'

export interface JobProviderOptions {
  http: Pick<KubeHttp, 'call' | 'open' | 'socketOptions'>
  config: Pick<
    RunnerKubernetesConfig,
    'NAMESPACE' | 'RETENTION_SECONDS' | 'START_DEADLINE_MS' | 'UNSCHEDULABLE_GRACE_MS'
  >
  /** By language. */
  languages: Record<string, SandboxSettings>
  /** The runner's own name, unique among those that live: its pod's name. */
  runner: string
  log: Log
  clock?: Clock
  /** Told how the Jobs do. */
  tell?: Tell | undefined
}

/** A provider that lets go of its watch at the end; sandboxes are destroyed by whoever has them. */
export function createJobProvider(options: JobProviderOptions): SandboxProvider & AsyncDisposable {
  return new JobProvider(options)
}

class JobProvider implements SandboxProvider, AsyncDisposable {
  readonly #options: JobProviderOptions
  readonly #jobs: AgentJobs
  readonly #runner: string

  constructor(options: JobProviderOptions) {
    const { http, config, log, clock, tell } = options
    const { NAMESPACE: namespace } = config
    this.#options = options
    this.#runner = labelValue(options.runner)
    this.#jobs = new AgentJobs({ http, namespace, config, runner: this.#runner, log, clock, tell })
  }

  async start(language: string, signal: AbortSignal): Promise<Sandbox> {
    const settings = this.#options.languages[language]
    if (!settings) throw new AppError('sandbox_unavailable', `There are no settings for the language ${language}`)
    const [lowest, highest] = uidRange(settings)
    const facts = {
      language,
      runner: this.#runner,
      uid: randomInt(lowest, highest + 1),
      retentionSeconds: this.#options.config.RETENTION_SECONDS,
    }
    const build = (name: string) => buildSandboxJob(settings, { name, ...facts })
    const attached = await this.#jobs.start({ language, shared: false, build }, signal)
    return new JobSandbox({ ...attached, language, version: attached.ready.version })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#jobs[Symbol.asyncDispose]()
  }
}
