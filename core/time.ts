/** What the rest of the code knows of time, so that tests can own it. `now` is Unix milliseconds, `monotonic` is milliseconds that never go back. */
export interface Clock {
  now(): number
  monotonic(): number
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>
}

/** Why a timer was cancelled that is not needed any more. One for all: `abort()` without a reason makes an error with a stack, a quarter of what an execution costs a runner. */
export const NOT_NEEDED = new Error('This timer is not needed any more')

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (milliseconds, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const onAbort = () => {
        clearTimeout(timer)
        reject(signal?.reason)
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }, milliseconds)
      signal?.addEventListener('abort', onAbort, { once: true })
    }),
}

/** Resolves when the signal aborts; at once when it already has. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
