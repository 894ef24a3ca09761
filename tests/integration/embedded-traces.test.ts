import { expect, it } from 'vitest'
import { startEmbedded } from '../helpers/embedded.ts'
import { client } from '../helpers/embedded-client.ts'
import { startOtlpCollector } from '../helpers/otlp-collector.ts'

it('traces an execution from its request to its record, and sends the last spans before it ends', async () => {
  await using collector = await startOtlpCollector()
  await using server = await startEmbedded({ env: { TRACES_ENDPOINT: collector.endpoint, WARM: '1', MAX: '1' } })
  expect(await client(server.url).run('python', 'print("d3b07384")')).toMatchObject({ status: 200 })
  expect(await server.stop()).toBe(0)
  const names = new Map(collector.spans.map(({ spanId, name }) => [spanId, name]))
  const parents = collector.spans.map(({ name, parentSpanId = '' }) => `${names.get(parentSpanId)} > ${name}`)
  expect(parents.sort()).toEqual([
    'POST /api/run > run python',
    'execute python > claim a sandbox',
    'execute python > record',
    'execute python > run in the sandbox',
    'execute python > wait for a turn',
    'run python > execute python',
    'undefined > POST /api/run',
  ])
  expect(new Set(collector.spans.map(({ service }) => service))).toEqual(new Set(['runlet']))
  expect(collector.text).not.toContain('d3b07384')
})
