import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fault } from './helpers/fault.ts'
import { ProcessWorld } from './helpers/process-world.ts'

/** Processes that die, and connections that break, while the sandboxes are in a real cluster. */
let world: ProcessWorld
beforeAll(async () => {
  world = await ProcessWorld.start()
})
afterAll(() => world?.[Symbol.asyncDispose]())

const first = <Value>(values: readonly Value[]): Value => {
  const [value] = values
  if (value === undefined) throw new Error('There is none')
  return value
}

describe('processes', () => {
  it('runner-killed', () =>
    fault('runner-killed', world, async () => {
      const runner = first(world.runnerParts)
      await runner.kill9()
      await world.restart(runner)
    }))

  it('runners-killed', () =>
    fault('runners-killed', world, async () => {
      const runners = [...world.runnerParts]
      await Promise.all(runners.map((runner) => runner.kill9()))
      await Promise.all(runners.map((runner) => world.restart(runner)))
    }))

  it('api-killed', () =>
    fault('api-killed', world, async () => {
      const api = first(world.apis)
      await api.kill9()
      await world.restart(api)
    }))
})

describe('RabbitMQ, and connections to it', () => {
  it('rabbitmq-killed', () =>
    fault('rabbitmq-killed', world, async () => {
      await world.broker.kill()
      await world.broker.start()
    }))

  it('rabbitmq-reset', () => fault('rabbitmq-reset', world, async () => world.brokerProxy.reset()))

  it('rabbitmq-blackholed', () =>
    fault('rabbitmq-blackholed', world, async () => {
      world.brokerProxy.stall()
      await new Promise((resolve) => setTimeout(resolve, 40_000))
      world.brokerProxy.pass()
    }))
})

describe('connections to the API server', () => {
  it('streams-stalled', () =>
    fault('streams-stalled', world, async () => expect(world.apiServer.stall('streams')).toBeGreaterThan(0)))

  it('watches-stalled', () =>
    fault('watches-stalled', world, async () => expect(world.apiServer.stall('watches')).toBeGreaterThan(0)))

  it('watches-expired', () =>
    fault('watches-expired', world, async () => expect(world.apiServer.expireWatches(4)).toBeGreaterThan(0)))

  it('api-server-throttles', () =>
    fault('api-server-throttles', world, async () => {
      world.apiServer.throttle(0.5)
      await new Promise((resolve) => setTimeout(resolve, 20_000))
      world.apiServer.pass()
    }))

  it('api-server-slow', () =>
    fault('api-server-slow', world, async () => {
      world.apiServer.delay(2_000)
      await new Promise((resolve) => setTimeout(resolve, 20_000))
      world.apiServer.pass()
    }))
})
