import { describe, expect, it } from 'vitest'
import { withHeartbeat } from './connection.ts'

describe('the heartbeat', () => {
  it.each([
    ['amqp://host', 'amqp://host?heartbeat=10'],
    ['amqp://user:p%40ss@host:5673/runlet', 'amqp://user:p%40ss@host:5673/runlet?heartbeat=10'],
    ['amqps://host/%2F?frameMax=8192', 'amqps://host/%2F?frameMax=8192&heartbeat=10'],
    ['amqp://host?heartbeat=30', 'amqp://host?heartbeat=30'],
    ['amqp://host?heartbeat=0', 'amqp://host?heartbeat=0'],
  ])('of %s gives %s', (url, expected) => {
    expect(withHeartbeat(url)).toBe(expected)
  })
})
