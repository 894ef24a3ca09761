import { describe, expect, it } from 'vitest'
import { createReadiness } from './readiness.ts'

function replica() {
  const stop = new AbortController()
  const records = { synced: true }
  const publisher = { connected: true }
  return { stop, records, publisher, ready: createReadiness({ records, publisher, draining: stop.signal }) }
}

describe('createReadiness', () => {
  it('is ready with records and a queue', () => {
    expect(replica().ready()).toEqual({ ok: true })
  })

  it('waits for the first list of what is recorded', () => {
    const { ready, records } = replica()
    records.synced = false
    expect(ready()).toEqual({ ok: false, reason: expect.stringContaining('results') })
  })

  it('waits for the first connection to the queue, and forgives it a later outage', () => {
    const { ready, publisher } = replica()
    publisher.connected = false
    expect(ready()).toEqual({ ok: false, reason: expect.stringContaining('queue') })
    publisher.connected = true
    expect(ready().ok).toBe(true)
    publisher.connected = false
    expect(ready().ok).toBe(true)
  })

  it('is not ready any more when it drains', () => {
    const { ready, stop } = replica()
    stop.abort()
    expect(ready()).toEqual({ ok: false, reason: 'shutting down' })
  })
})
