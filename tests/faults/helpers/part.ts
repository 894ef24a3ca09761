import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Resources } from './fault.ts'

export interface PartOptions {
  name: string
  /** Of the repository: `runner/main.ts`. */
  main: string
  env: Record<string, string>
  /** Where its health is. */
  metricsPort: number
  /** For Node, before the file. */
  nodeArguments?: readonly string[]
}

const READY_MS = 60_000
const STOP_MS = 90_000
const KEPT_OUTPUT = 60_000

/** One process of Runlet outside of the cluster, as its pod would run it. Disposing ends it as a pod is ended. */
export class Part implements AsyncDisposable {
  readonly #options: PartOptions
  readonly #child: ChildProcess
  #output = ''

  private constructor(options: PartOptions) {
    this.#options = options
    const { main, env, nodeArguments = [] } = options
    const inherited = { PATH: process.env.PATH, HOME: process.env.HOME }
    this.#child = spawn(process.execPath, [...nodeArguments, main], {
      env: { ...inherited, ...env, METRICS_PORT: String(options.metricsPort), HOST: '127.0.0.1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-KEPT_OUTPUT)
      })
  }

  /** Waits until it is ready, unless `wait` is false. */
  static async start(options: PartOptions, wait = true): Promise<Part> {
    const part = new Part(options)
    if (wait) await part.untilReady()
    return part
  }

  get name(): string {
    return this.#options.name
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get options(): PartOptions {
    return this.#options
  }

  get lives(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  async untilReady(): Promise<void> {
    for (const end = performance.now() + READY_MS; performance.now() < end; await sleep(100)) {
      if (!this.lives) break
      const ready = await fetch(`http://127.0.0.1:${this.#options.metricsPort}/readyz`).catch(() => undefined)
      if (ready?.ok) return
    }
    throw new Error(`${this.name} is not ready:\n${this.#output}`)
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  async kill9(): Promise<void> {
    if (!this.lives) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }

  /** What /metrics says. */
  async metrics(): Promise<string> {
    return await (await fetch(`http://127.0.0.1:${this.#options.metricsPort}/metrics`)).text()
  }

  async resources(): Promise<Resources> {
    return readResources(await this.metrics())
  }

  /** The lines that an operator would look at first. */
  complaints(): string {
    const lines = this.#output.split('\n').filter((line) => !/"level":"(debug|info)"|"level":(20|30)\b/.test(line))
    return `--- ${this.name}\n${lines.slice(-25).join('\n')}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.lives) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS)
    await exited
    clearTimeout(timer)
  }
}

/** What /metrics says of a process. */
export function readResources(text: string): Resources {
  const count = (type: string) =>
    Number(new RegExp(`^nodejs_active_resources\\{type="${type}"\\} (\\d+)`, 'm').exec(text)?.[1] ?? 0)
  const sandboxes = (state: string) =>
    [...text.matchAll(new RegExp(`^runlet_sandboxes\\{[^}]*state="${state}"[^}]*\\} (\\d+)`, 'gm'))].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    )
  return {
    sockets: count('TCPSocketWrap') + count('TLSWrap') + count('TCPWRAP'),
    timers: count('Timeout'),
    idle: sandboxes('idle'),
    claimed: sandboxes('claimed'),
  }
}
