import { describe, expect, it } from 'vitest'
import { missingPermissions, requiredPermissions } from './client.ts'
import type { KubeRequest } from './http.ts'

interface Attributes {
  namespace: string
  group: string
  resource: string
  subresource?: string
  verb: string
}

/** Allows what the test says, and notes what it was asked. */
function reviewer(allowed: (attributes: Attributes) => boolean) {
  const asked: Attributes[] = []
  const call = async <Answer>({ body }: KubeRequest) => {
    const { resourceAttributes } = (body as { spec: { resourceAttributes: Attributes } }).spec
    asked.push(resourceAttributes)
    return { status: { allowed: allowed(resourceAttributes) } } as Answer
  }
  return { asked, call }
}

describe('missingPermissions', () => {
  it.each(['api', 'runner'] as const)(
    'is empty for an %s that may do everything, after asking for each verb',
    async (component) => {
      const http = reviewer(() => true)
      expect(await missingPermissions(http, component, 'boxes')).toEqual([])
      const verbs = requiredPermissions[component].flatMap((one) => one.verbs)
      expect(http.asked).toHaveLength(verbs.length)
      expect(http.asked.every(({ namespace }) => namespace === 'boxes')).toBe(true)
    },
  )

  it('names the missing verbs in words', async () => {
    const http = reviewer(({ verb, subresource }) => verb !== 'patch' && !(subresource === 'attach' && verb === 'get'))
    expect(await missingPermissions(http, 'runner', 'boxes')).toEqual([
      'may not patch jobs.batch in namespace boxes',
      'may not get pods/attach in namespace boxes',
      'may not patch leases.coordination.k8s.io in namespace boxes',
    ])
  })

  it('asks for a subresource as the API wants it', async () => {
    const http = reviewer(() => true)
    await missingPermissions(http, 'runner', 'boxes')
    expect(http.asked).toContainEqual({
      namespace: 'boxes',
      group: '',
      resource: 'pods',
      subresource: 'attach',
      verb: 'get',
    })
  })

  it('lets the api read only', () => {
    expect(requiredPermissions.api.flatMap(({ verbs }) => verbs).sort()).toEqual(['get', 'list', 'watch'])
  })
})
