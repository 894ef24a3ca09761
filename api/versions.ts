import type { Log } from '../core/log.ts'
import type { Clock } from '../core/time.ts'
import type { Versions } from './deps.ts'

/** Versions change when images do, and an upgrade may take its time to be seen. */
const FRESH_MS = 60_000
/** While one is missing, no sandbox of it is warm yet. */
const INCOMPLETE_MS = 5_000

export interface VersionsOptions {
  /** Canonical names. */
  languages: readonly string[]
  /** The version that a warm sandbox of the language said it has, or undefined when there is none. */
  look: (language: string) => Promise<string | undefined>
  clock: Pick<Clock, 'monotonic'>
  log: Log
}

/**
 * The versions that really run, looked up when somebody asks, once a minute at most. One that was seen stays while its sandboxes are all gone or can't be
 * looked at. Never rejects.
 */
export function rememberVersions({ languages, look, clock, log }: VersionsOptions): () => Promise<Versions> {
  const known = new Map<string, string>()
  let staleAt = Number.NEGATIVE_INFINITY
  let refreshing: Promise<void> | undefined

  const refresh = async () => {
    const looks = languages.map(async (language) => {
      const version = await look(language)
      if (version !== undefined) known.set(language, version)
    })
    const failed = (await Promise.allSettled(looks)).find((outcome) => outcome.status === 'rejected')
    if (failed) log.warn({ error: failed.reason }, 'The versions of the languages can not be looked up')
    staleAt = clock.monotonic() + (known.size === languages.length ? FRESH_MS : INCOMPLETE_MS)
    refreshing = undefined
  }
  return async () => {
    if (clock.monotonic() >= staleAt) {
      refreshing ??= refresh()
      await refreshing
    }
    return Object.fromEntries(known)
  }
}
