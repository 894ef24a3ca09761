import type { Sandbox, SandboxProvider } from '../../core/ports.ts'
import { FakeSandbox } from './sandbox.ts'

interface Start {
  language: string
  signal: AbortSignal
  /** Makes it ready. */
  ready(): FakeSandbox
  fail(error: Error): void
}

/** Starts sandboxes when the test says `ready`, or at once when `auto` is set. */
export class FakeSandboxProvider implements SandboxProvider {
  readonly starts: Start[] = []
  readonly sandboxes: FakeSandbox[] = []
  /** Makes each sandbox ready at once and gives it this agent. */
  auto: FakeSandbox['agent'] | undefined

  start(language: string, signal: AbortSignal): Promise<Sandbox> {
    const { promise, resolve, reject } = Promise.withResolvers<Sandbox>()
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    const name = `${language}-${this.starts.length + 1}`
    const ready = () => {
      const sandbox = new FakeSandbox(name, language)
      if (this.auto) sandbox.agent = this.auto
      this.sandboxes.push(sandbox)
      resolve(sandbox)
      return sandbox
    }
    this.starts.push({ language, signal, ready, fail: reject })
    if (this.auto) ready()
    return promise
  }
}
