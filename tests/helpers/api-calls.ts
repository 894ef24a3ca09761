/** Calls to the API server, as RBAC sees them. */

const PLACE = /^\/(?:api|apis\/([^/]+))\/v1\/namespaces\/([^/]+)\/([^/]+)(?:\/([^/]+)(?:\/([^/]+))?)?$/
const VERBS: Record<string, string> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }

export interface ApiCall {
  namespace: string
  /** `list jobs.batch`, `get pods/attach`. */
  right: string
}

/** The rights that a call needs; none where no Role gives them. A WebSocket, a GET, needs the right to create too. */
export function apiCalls(method: string, url: string, status: number): ApiCall[] {
  const { pathname, searchParams } = new URL(url, 'http://server')
  const [, group, namespace, resource, name, subresource] = PLACE.exec(pathname) ?? []
  if (namespace === undefined) return []
  const path = `${resource}${subresource ? `/${subresource}` : ''}${group ? `.${group}` : ''}`
  const read = name === undefined ? (searchParams.get('watch') === 'true' ? 'watch' : 'list') : 'get'
  const verbs = status === 101 ? ['create', 'get'] : [VERBS[method] ?? read]
  return verbs.map((verb) => ({ namespace, right: `${verb} ${path}` }))
}
