/**
 * A signal that aborts when one of the others does, and lets go of them when disposed.
 * AbortSignal.any would leave something behind on a source that lives as long as the process, for every request.
 */
export function abortedByAny(sources: readonly (AbortSignal | undefined)[]): { signal: AbortSignal } & Disposable {
  const controller = new AbortController()
  const abort = () => controller.abort()
  for (const source of sources) {
    if (source?.aborted) abort()
    source?.addEventListener('abort', abort, { once: true })
  }
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const source of sources) source?.removeEventListener('abort', abort)
    },
  }
}
