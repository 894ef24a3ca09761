import { kubectl } from '../../helpers/cluster.ts'
import {
  componentPods,
  IMAGES,
  installRelease,
  metricsOf,
  RELEASE,
  type Release,
} from '../../helpers/cluster-release.ts'
import { provideVolume } from '../../helpers/cluster-volume.ts'
import type { Resources, World } from './fault.ts'
import { readResources } from './part.ts'

/** Runlet as its chart installs it, with two replicas of each part, and a RabbitMQ whose volume is kept. */
export class ReleaseWorld implements World {
  readonly where = 'cluster'
  readonly replicas = 2
  readonly runners = 2
  readonly release: Release
  readonly #scope: AsyncDisposableStack

  private constructor(release: Release, scope: AsyncDisposableStack) {
    this.release = release
    this.#scope = scope
  }

  static async start(): Promise<ReleaseWorld> {
    await using scope = new AsyncDisposableStack()
    const values = {
      languages: { python: { image: IMAGES.python, warm: 1, max: 6 }, javascript: null },
      api: { replicas: 2 },
      runner: { replicas: 2 },
    }
    const release = await installRelease('faults', values, async (namespace) => {
      const volume = scope.use(await provideVolume(namespace))
      return { rabbitmq: { persistence: { enabled: true, size: '1Gi', ...volume.values } } }
    })
    scope.use(release)
    return new ReleaseWorld(release, scope.move())
  }

  get namespace(): string {
    return this.release.sandboxes
  }

  /** Through the Ingress, which chooses the replica. */
  ask: World['ask'] = (path, question) => this.release.ask(path, question)

  pods(component: 'api' | 'runner' | 'rabbitmq') {
    return componentPods(this.release, component)
  }

  /** As the runners see them, a few seconds ago. */
  async depths(): Promise<Record<string, number>> {
    const depths: Record<string, number> = {}
    for (const text of (await this.#metrics('runner')).values())
      for (const [, queue = '', depth] of text.matchAll(/^runlet_queue_messages\{[^}]*queue="([^"]+)"[^}]*\} (\d+)/gm))
        depths[queue] = Math.max(depths[queue] ?? 0, Number(depth))
    return depths
  }

  async resources(): Promise<Record<string, Resources>> {
    const [runners, apis] = await Promise.all([this.#metrics('runner'), this.#metrics('api')])
    return Object.fromEntries([...runners, ...apis].map(([name, text]) => [name, readResources(text)]))
  }

  async story(): Promise<string> {
    const namespaces = [this.release.namespace, this.namespace]
    const pods = namespaces.map((namespace) => kubectl('get', 'pods', '-n', namespace, '-o', 'wide').catch(String))
    return (await Promise.all(pods)).join('\n')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.disposeAsync()
  }

  /** /metrics of each pod, by its name, through the API server. */
  async #metrics(component: 'api' | 'runner'): Promise<Map<string, string>> {
    const names = (await this.pods(component)).map(({ metadata }) => metadata.name)
    const read = async (name: string) => [name, await metricsOf(this.release, name)] as const
    return new Map(await Promise.all(names.map(read)))
  }
}

/** The name of a component's pod. */
export const RABBITMQ_POD = `${RELEASE}-rabbitmq-0`
