/**
 * The tier of each language: `nested` where that was asked for and the cluster can, else `job`. Whether it can is found out by trying: the first slot of a language
 * is asked for in the nested tier, and when that fails its sandboxes come from the job tier, until a try in the background succeeds.
 */
import { toError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Sandbox, SandboxProvider } from '../core/ports.ts'
import type { Clock } from '../core/time.ts'

export interface TieredProviderOptions {
  job: SandboxProvider
  nested: SandboxProvider
  /** The languages that are to have the nested tier. */
  languages: readonly string[]
  metrics: Metrics
  log: Log
  clock: Clock
}

interface Choice {
  tier: 'unknown' | 'nested' | 'job'
  /** When the nested tier may be tried again. */
  again: number
}

/** A pod that cannot have a user namespace waits for ever; one whose image is being pulled comes later, and is found by the next try. */
const FIRST_TRY_MS = 45_000
const AGAIN_MS = 300_000

export function createTieredProvider(options: TieredProviderOptions): SandboxProvider {
  return new TieredProvider(options)
}

class TieredProvider implements SandboxProvider {
  readonly #options: TieredProviderOptions
  readonly #choices: ReadonlyMap<string, Choice>

  constructor(options: TieredProviderOptions) {
    this.#options = options
    this.#choices = new Map(options.languages.map((language) => [language, { tier: 'unknown', again: 0 }]))
    for (const language of options.languages) options.metrics.set('runlet_tier_fallback', { language }, 0)
  }

  async start(language: string, signal: AbortSignal): Promise<Sandbox> {
    const { job, nested, clock } = this.#options
    const choice = this.#choices.get(language)
    if (choice?.tier === 'nested') return await nested.start(language, signal)
    if (choice?.tier === 'unknown') return await this.#first(language, choice, signal)
    if (choice && clock.monotonic() >= choice.again) {
      choice.again = clock.monotonic() + AGAIN_MS
      void this.#tryAgain(language, choice)
    }
    return await job.start(language, signal)
  }

  async #first(language: string, choice: Choice, signal: AbortSignal): Promise<Sandbox> {
    const { job } = this.#options
    try {
      return await this.#try(language, choice, signal)
    } catch (error) {
      if (signal.aborted) throw error
      if (choice.tier === 'unknown') this.#fallBack(language, choice, toError(error).message)
      return await job.start(language, signal)
    }
  }

  /** Also when another try failed meanwhile: one that succeeds decides. */
  async #try(language: string, choice: Choice, signal?: AbortSignal): Promise<Sandbox> {
    const { nested, metrics } = this.#options
    const deadline = AbortSignal.timeout(FIRST_TRY_MS)
    const sandbox = await nested.start(language, signal ? AbortSignal.any([signal, deadline]) : deadline)
    choice.tier = 'nested'
    metrics.set('runlet_tier_fallback', { language }, 0)
    return sandbox
  }

  #fallBack(language: string, choice: Choice, reason: string): void {
    const { log, metrics, clock } = this.#options
    choice.tier = 'job'
    choice.again = clock.monotonic() + AGAIN_MS
    metrics.set('runlet_tier_fallback', { language }, 1)
    log.error({ language, reason }, 'Executions of this language get a Job each: the nested tier does not work here')
  }

  async #tryAgain(language: string, choice: Choice): Promise<void> {
    const { log } = this.#options
    try {
      const sandbox = await this.#try(language, choice)
      log.info({ language }, 'The nested tier works now')
      await sandbox.destroy()
    } catch (error) {
      log.warn({ language, reason: toError(error).message }, 'The nested tier still does not work here')
    }
  }
}
