import { PassThrough } from 'node:stream'
import type { KubeRequest } from '../../k8s/http.ts'
import { KubeError } from '../../k8s/kube-error.ts'

export interface StoredObject {
  metadata: {
    name: string
    uid: string
    creationTimestamp: string
    resourceVersion: string
    labels?: Record<string, string>
    annotations?: Record<string, string>
  }
  [field: string]: unknown
}

/** An API server in memory, one map for each collection: creates, merge patches, deletes with preconditions, lists by label, watches. No schemas, no paging. */
export class FakeKube {
  readonly calls: KubeRequest[] = []
  /** Throws what it returns, before anything happens. */
  fail: (request: KubeRequest) => KubeError | undefined = () => undefined
  now = () => Date.now()
  readonly #collections = new Map<string, Map<string, StoredObject>>()
  readonly #watches: { path: string; selector: string; body: PassThrough }[] = []
  #version = 0

  async call<Answer>(request: KubeRequest): Promise<Answer> {
    this.calls.push(structuredClone({ ...request, signal: undefined }))
    const failure = this.fail(request)
    if (failure) throw failure
    const [, path = '', name] = /^(.*\/[a-z]+s)(?:\/([^/]+))?$/.exec(request.path) ?? []
    return structuredClone(this.#answer(request, path, name)) as Answer
  }

  async open(request: KubeRequest & { signal: AbortSignal }): Promise<never> {
    this.calls.push({ ...request })
    const body = new PassThrough()
    request.signal.addEventListener('abort', () => body.destroy(new Error('aborted')))
    this.#watches.push({ path: request.path, selector: String(request.query?.labelSelector ?? ''), body })
    return body as never
  }

  get watching(): number {
    return this.#watches.length
  }

  all(resource: string): StoredObject[] {
    return [...this.#collections].flatMap(([path, map]) => (path.endsWith(`/${resource}`) ? [...map.values()] : []))
  }

  #answer(request: KubeRequest, path: string, name: string | undefined): unknown {
    const map = this.#collections.get(path) ?? new Map<string, StoredObject>()
    this.#collections.set(path, map)
    if (request.method === 'POST') return this.#create(path, map, request.body as StoredObject)
    if (name === undefined) {
      const items = [...map.values()].filter((item) => matches(item, String(request.query?.labelSelector ?? '')))
      return { metadata: { resourceVersion: String(this.#version) }, items: items.length > 0 ? items : null }
    }
    const item = map.get(name)
    if (!item) throw new KubeError(404, 'NotFound', `"${name}" not found`)
    if (request.method === 'DELETE') return this.#delete(path, map, item, request.body)
    if (request.method === 'PATCH') {
      merge(item, request.body as Record<string, unknown>)
      this.#changed('MODIFIED', path, item)
    }
    return item
  }

  #create(path: string, map: Map<string, StoredObject>, body: StoredObject): StoredObject {
    const { name } = body.metadata
    if (map.has(name)) throw new KubeError(409, 'AlreadyExists', `"${name}" already exists`)
    const creationTimestamp = new Date(this.now()).toISOString()
    const uid = `uid-${this.#version}`
    const item = { ...structuredClone(body), metadata: { ...structuredClone(body.metadata), uid, creationTimestamp } }
    map.set(name, item as StoredObject)
    this.#changed('ADDED', path, item as StoredObject)
    return item as StoredObject
  }

  #delete(path: string, map: Map<string, StoredObject>, item: StoredObject, body: unknown): StoredObject {
    const { preconditions = {} } = (body ?? {}) as { preconditions?: { uid?: string; resourceVersion?: string } }
    for (const field of ['uid', 'resourceVersion'] as const)
      if (preconditions[field] !== undefined && preconditions[field] !== item.metadata[field])
        throw new KubeError(409, 'Conflict', `another ${field}`)
    map.delete(item.metadata.name)
    this.#changed('DELETED', path, item)
    return item
  }

  #changed(type: string, path: string, item: StoredObject): void {
    this.#version += 1
    item.metadata.resourceVersion = String(this.#version)
    for (const watch of this.#watches) {
      if (watch.path === path && matches(item, watch.selector))
        watch.body.write(`${JSON.stringify({ type, object: item })}\n`)
    }
  }
}

function matches({ metadata: { labels = {} } }: StoredObject, selector: string): boolean {
  return selector
    .split(',')
    .filter((term) => term !== '')
    .every((term) => {
      const [, key = '', operator, value] = /^([^!=]+)(?:(!?=)(.*))?$/.exec(term) ?? []
      if (operator === undefined) return key in labels
      return operator === '=' ? labels[key] === value : labels[key] !== value
    })
}

function merge(target: Record<string, unknown>, patch: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(patch)) {
    const old = target[key]
    if (value === null) delete target[key]
    else if (typeof value === 'object' && !Array.isArray(value)) {
      target[key] = typeof old === 'object' && old !== null ? old : {}
      merge(target[key] as Record<string, unknown>, value as Record<string, unknown>)
    } else target[key] = value
  }
}
