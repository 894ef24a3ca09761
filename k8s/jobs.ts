import type { V1Job } from '@kubernetes/client-node'
import type { KubeHttp } from './http.ts'
import { isNotFound } from './kube-error.ts'
import type { Metadata } from './record.ts'

/** A Job by its metadata alone, as JSON: times are text. */
export interface JobMetadata {
  metadata: Metadata & { name: string; uid: string; creationTimestamp?: string; resourceVersion?: string }
}

interface Page {
  metadata: { continue?: string }
  /** null, not empty, when there are none. */
  items: { metadata?: Partial<JobMetadata['metadata']> }[] | null
}

export interface MetadataChange {
  metadata: { labels?: Record<string, string | null>; annotations?: Record<string, string> }
}

const METADATA = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json'
const METADATA_LIST = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json'
const PAGE_SIZE = 200

/** The calls on Jobs of one namespace. Every one throws KubeError. */
export class Jobs {
  readonly path: string
  readonly #http: Pick<KubeHttp, 'call'>

  constructor(http: Pick<KubeHttp, 'call'>, namespace: string) {
    this.#http = http
    this.path = `/apis/batch/v1/namespaces/${namespace}/jobs`
  }

  /** @returns the Job's uid */
  async create(job: V1Job, signal?: AbortSignal): Promise<string> {
    const request = { method: 'POST', path: this.path, body: job, accept: METADATA, signal } as const
    return (await this.#http.call<JobMetadata>(request)).metadata.uid
  }

  /** What the API server would make of a Job: its admission and defaults, and without the fields that it does not know. */
  async tryOut(job: V1Job, signal?: AbortSignal): Promise<V1Job> {
    return await this.#http.call<V1Job>({
      method: 'POST',
      path: this.path,
      query: { dryRun: 'All' },
      body: job,
      signal,
    })
  }

  /** A merge patch: nothing but the named keys changes; null takes a key away. */
  async patch(name: string, change: MetadataChange): Promise<void> {
    await this.#http.call({ method: 'PATCH', path: `${this.path}/${name}`, body: change, accept: METADATA })
  }

  /** undefined when there is no such Job. */
  async get(name: string): Promise<JobMetadata | undefined> {
    try {
      return await this.#http.call<JobMetadata>({ path: `${this.path}/${name}`, accept: METADATA })
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  /**
   * Deletes a Job and, in the background, its pod. One that is gone already is no failure; with a uid, only that very Job is deleted, and with a resourceVersion
   * only as it was then: else KubeError 409.
   */
  async delete(name: string, uid?: string, resourceVersion?: string): Promise<void> {
    const preconditions = { uid, ...(resourceVersion !== undefined && { resourceVersion }) }
    const body = { propagationPolicy: 'Background', ...(uid !== undefined && { preconditions }) }
    try {
      await this.#http.call({ method: 'DELETE', path: `${this.path}/${name}`, body, accept: METADATA })
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }

  /** All Jobs that fit the selector, page by page, without spec and status. Who wants few of them asks for small pages: the next is fetched when it is needed. */
  async *list(labelSelector: string, pageSize = PAGE_SIZE): AsyncGenerator<JobMetadata> {
    let next: string | undefined
    do {
      const query = { labelSelector, limit: pageSize, continue: next }
      const page = await this.#http.call<Page>({ path: this.path, query, accept: METADATA_LIST })
      for (const { metadata } of page.items ?? []) {
        const { name, uid } = metadata ?? {}
        if (name !== undefined && uid !== undefined) yield { metadata: { ...metadata, name, uid } }
      }
      next = page.metadata.continue || undefined
    } while (next !== undefined)
  }
}
