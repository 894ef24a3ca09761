import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readConfig } from '../core/config.ts'
import { TracesConfig } from './open-traces.ts'

/** What a process of its own has loaded of OpenTelemetry after it opened traces with this configuration, and all that api and runner have in common. */
function loaded(endpoint: string | undefined): string[] {
  const script = `
    import { registerHooks } from 'node:module'
    const seen = []
    registerHooks({ resolve: (name, context, next) => { const found = next(name, context); seen.push(found.url); return found } })
    const { openTraces } = await import('./telemetry/open-traces.ts')
    for (const part of ['api/app', 'broker/consumer', 'broker/publisher', 'runner/service', 'telemetry/metrics', 'telemetry/traced-queue'])
      await import('./' + part + '.ts')
    const config = { TRACES_ENDPOINT: ${JSON.stringify(endpoint)}, TRACES_RATIO: 1 }
    const log = { warn() {} }
    await using traces = await openTraces({ config, service: 'runlet-api', log })
    console.log(JSON.stringify(seen))`
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: join(import.meta.dirname, '..'),
    encoding: 'utf8',
  })
  const found = (JSON.parse(output) as string[]).flatMap((url) => /@opentelemetry\/([a-z-]+)\//.exec(url)?.[1] ?? [])
  return [...new Set(found)].sort()
}

describe('openTraces', () => {
  it('loads nothing of it when there is nowhere to send spans to, but the interface that prom-client wants', () => {
    expect(loaded(undefined)).toEqual(['api'])
  })

  it('loads it when there is', () => {
    expect(loaded('http://127.0.0.1:1')).toEqual(expect.arrayContaining(['exporter-trace-otlp-http', 'sdk-trace']))
  })
})

describe('TracesConfig', () => {
  it('traces nothing when nothing is set, and everything when it is told where to', () => {
    expect(readConfig(TracesConfig, {})).toEqual({ TRACES_RATIO: 1 })
  })

  it.each(['http://collector:4318', 'https://traces.example.com/otlp'])('takes %s', (TRACES_ENDPOINT) => {
    expect(readConfig(TracesConfig, { TRACES_ENDPOINT })).toMatchObject({ TRACES_ENDPOINT })
  })

  it.each(['collector:4318', 'grpc://collector:4317', 'http://user:pass@collector:4318'])('refuses %s', (endpoint) => {
    expect(() => readConfig(TracesConfig, { TRACES_ENDPOINT: endpoint })).toThrow('TRACES_ENDPOINT')
  })

  it.each(['0', '1', '0.05', '1.0'])('takes the ratio %s', (TRACES_RATIO) => {
    expect(readConfig(TracesConfig, { TRACES_RATIO }).TRACES_RATIO).toBe(Number(TRACES_RATIO))
  })

  it.each(['2', '-1', '5%', '.5', '1e-3'])('refuses the ratio %s', (TRACES_RATIO) => {
    expect(() => readConfig(TracesConfig, { TRACES_RATIO })).toThrow('TRACES_RATIO')
  })
})
