import { describe, expect, it, vi } from 'vitest'
import type { Log } from '../core/log.ts'
import { type Answer, events, json, ScriptedApiServer } from '../tests/fakes/scripted-api-server.ts'
import { ListWatch, type ListWatchOptions, type Named } from './list-watch.ts'

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent }

const item = (name: string, version: string) => ({ metadata: { name, resourceVersion: version } })
const list = (version: string, names: string[], next?: string) =>
  json({
    metadata: { resourceVersion: version, ...(next && { continue: next }) },
    items: names.map((n) => item(n, '1')),
  })
const event = (type: string, name: string, version: string) => ({ type, object: item(name, version) })
const bookmark = (version: string) => ({ type: 'BOOKMARK', object: { metadata: { resourceVersion: version } } })
const gone = { type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' } }
const OPEN = events([], 'open')

/** Follows a scripted server and notes what the handler hears; sleeping takes no time. */
async function follow(script: Answer[], options: Partial<ListWatchOptions<Named>> = {}) {
  const server = await ScriptedApiServer.start(...script)
  const heard: string[] = []
  const slept: number[] = []
  const watch = new ListWatch<Named>({
    http: server.http,
    path: '/things',
    log: silent,
    clock: {
      monotonic: () => performance.now(),
      sleep: async (milliseconds) => {
        slept.push(milliseconds)
        await new Promise((resolve) => setImmediate(resolve))
      },
    },
    handler: {
      upsert: (name) => heard.push(`+${name}`),
      remove: (name) => heard.push(`-${name}`),
      synced: () => heard.push('synced'),
    },
    ...options,
  })
  const stack = new AsyncDisposableStack()
  stack.use(server)
  stack.use(watch)
  return { heard, slept, server, watch, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

const watchVersions = (server: ScriptedApiServer) =>
  server.requests.flatMap(({ url }) => (url.searchParams.has('watch') ? [url.searchParams.get('resourceVersion')] : []))

describe('listing', () => {
  it('goes through all pages before it is synced', async () => {
    await using run = await follow([list('5', ['a', 'b'], 'more'), list('5', ['c']), OPEN], { pageSize: 2 })
    await run.watch.firstSync
    expect(run.heard).toEqual(['+a', '+b', '+c', 'synced'])
    expect(run.server.requests[0]?.url.searchParams.get('limit')).toBe('2')
    expect(run.server.requests[1]?.url.searchParams.get('continue')).toBe('more')
    expect(run.watch.synced).toBe(true)
  })

  it('takes the null that an empty list of metadata is', async () => {
    await using run = await follow([json({ metadata: { resourceVersion: '5' }, items: null }), OPEN], {
      metadataOnly: true,
    })
    await run.watch.firstSync
    expect(run.heard).toEqual(['synced'])
    expect(run.server.requests[0]?.headers.accept).toContain('as=PartialObjectMetadataList')
  })

  it('begins again when the token of a page has expired', async () => {
    const expired = json({ code: 410, reason: 'Expired', message: 'continue token expired' }, 410)
    await using run = await follow([list('5', ['a'], 'more'), expired, list('6', ['b']), OPEN])
    await run.watch.firstSync
    expect(run.heard).toEqual(['+a', '+b', 'synced'])
  })

  it('passes selectors on', async () => {
    await using run = await follow([list('5', []), OPEN], {
      labelSelector: 'x=y',
      fieldSelector: 'status.phase!=Failed',
    })
    await vi.waitFor(() => expect(run.server.requests).toHaveLength(2))
    for (const { url } of run.server.requests) {
      expect(url.searchParams.get('labelSelector')).toBe('x=y')
      expect(url.searchParams.get('fieldSelector')).toBe('status.phase!=Failed')
    }
  })

  it('waits as long as a 429 says', async () => {
    const busy = json({ code: 429, reason: 'TooManyRequests', message: 'slow down' }, 429, { 'retry-after': '7' })
    await using run = await follow([busy, list('5', ['a']), OPEN])
    await run.watch.firstSync
    expect(run.slept[0]).toBe(7000)
  })

  it('backs off further with each failure, and not further than to its bound', async () => {
    await using run = await follow([json({ message: 'broken' }, 500)])
    await vi.waitFor(() => expect(run.slept.length).toBeGreaterThan(12))
    expect(run.slept[0]).toBeLessThanOrEqual(250)
    expect(run.slept[3]).toBeGreaterThan(run.slept[0] ?? 0)
    expect(Math.max(...run.slept)).toBeLessThanOrEqual(8_000)
    expect(run.watch.synced).toBe(false)
  })
})

describe('watching', () => {
  it('delivers what changes, in order', async () => {
    const changes = [event('ADDED', 'b', '6'), event('MODIFIED', 'a', '7'), event('DELETED', 'b', '8')]
    await using run = await follow([list('5', ['a']), events(changes, 'open')])
    await vi.waitFor(() => expect(run.heard).toEqual(['+a', 'synced', '+b', '+a', '-b']))
    expect(run.server.requests[1]?.url.searchParams.get('allowWatchBookmarks')).toBe('true')
  })

  it('goes on from the last bookmark without listing again', async () => {
    const script = [list('5', ['a']), events([event('ADDED', 'b', '6'), bookmark('90')]), OPEN]
    await using run = await follow(script)
    await vi.waitFor(() => expect(watchVersions(run.server)).toEqual(['5', '90']))
    expect(run.heard).toEqual(['+a', 'synced', '+b'])
  })

  it('goes on from the last event when a line was cut in its middle', async () => {
    const half = JSON.stringify(event('ADDED', 'c', '7')).slice(0, 20)
    const script = [
      list('5', []),
      events([event('ADDED', 'b', '6'), half], 'broken'),
      events([event('ADDED', 'c', '7')], 'open'),
    ]
    await using run = await follow(script)
    await vi.waitFor(() => expect(run.heard).toEqual(['synced', '+b', '+c']))
    expect(watchVersions(run.server)).toEqual(['5', '6'])
  })

  it('drops a cut line also when the stream ends properly', async () => {
    await using run = await follow([
      list('5', []),
      events(['{"type":"ADD']),
      events([event('ADDED', 'c', '7')], 'open'),
    ])
    await vi.waitFor(() => expect(run.heard).toEqual(['synced', '+c']))
  })

  it.each([
    ['as an answer', json({ code: 410, reason: 'Expired', message: 'too old' }, 410)],
    ['as an event', events([gone], 'open')],
  ])('lists again after 410 %s, and removes what vanished meanwhile', async (_, answer) => {
    await using run = await follow([list('5', ['a', 'b']), answer, list('20', ['b', 'c']), OPEN])
    await vi.waitFor(() => expect(run.heard.filter((word) => word === 'synced')).toHaveLength(2))
    expect(run.heard).toEqual(['+a', '+b', 'synced', '+b', '+c', '-a', 'synced'])
    await vi.waitFor(() => expect(watchVersions(run.server).at(-1)).toBe('20'))
  })

  it('does not list in a tight loop when every watch is too old', async () => {
    let turn = 0
    const both: Answer = (response, request, body) => {
      turn += 1
      const answer = turn % 2 === 1 ? list('5', []) : events([gone])
      answer(response, request, body)
    }
    await using run = await follow([both])
    await vi.waitFor(() => expect(turn).toBeGreaterThan(8))
    expect(run.heard.every((word) => word === 'synced')).toBe(true)
  })

  it('opens a new watch when one is silent', async () => {
    await using run = await follow([list('5', []), OPEN, events([event('ADDED', 'a', '6')], 'open')], { silenceMs: 50 })
    await vi.waitFor(() => expect(run.heard).toEqual(['synced', '+a']))
    expect(watchVersions(run.server).slice(0, 2)).toEqual(['5', '5'])
  })

  it('opens a new watch when one that has been silent is doubted', async () => {
    await using run = await follow([list('5', []), OPEN, events([event('ADDED', 'a', '6')], 'open'), OPEN])
    await vi.waitFor(() => expect(watchVersions(run.server)).toEqual(['5']))
    run.watch.doubt(60_000)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(run.heard).toEqual(['synced'])
    run.watch.doubt(10)
    await vi.waitFor(() => expect(run.heard).toEqual(['synced', '+a']))
    expect(watchVersions(run.server)).toEqual(['5', '5'])
  })

  it('survives nonsense', async () => {
    await using run = await follow([
      list('5', []),
      events(['nonsense\n'], 'open'),
      events([event('ADDED', 'a', '6')], 'open'),
    ])
    await vi.waitFor(() => expect(run.heard).toEqual(['synced', '+a']))
  })

  it('ends its connection when it is disposed of', async () => {
    const run = await follow([list('5', []), OPEN])
    await vi.waitFor(() => expect(run.server.requests).toHaveLength(2))
    await run[Symbol.asyncDispose]()
    expect(run.server.requests).toHaveLength(2)
  })
})
