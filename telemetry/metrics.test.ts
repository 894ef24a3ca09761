import { describe, expect, it } from 'vitest'
import { METRICS, type MetricName } from '../core/metrics.ts'
import { createMetrics } from './metrics.ts'

describe('createMetrics', () => {
  it('knows every metric of the table, with its help and kind', async () => {
    const text = await createMetrics().text()
    for (const [name, { help, kind }] of Object.entries(METRICS)) {
      expect(text).toContain(`# HELP ${name} ${help}`)
      expect(text).toContain(`# TYPE ${name} ${kind}`)
    }
  })

  it('adds, sets and observes', async () => {
    const metrics = createMetrics()
    metrics.add('runlet_executions_accepted_total', { language: 'python', kind: 'run' })
    metrics.add('runlet_executions_accepted_total', { language: 'python', kind: 'run' }, 2)
    metrics.set('runlet_records_indexed', {}, 7)
    metrics.observe('runlet_http_request_seconds', { route: '/api/run' }, 0.004)
    const text = await metrics.text()
    expect(text).toContain('runlet_executions_accepted_total{language="python",kind="run"} 3')
    expect(text).toContain('runlet_records_indexed 7')
    expect(text).toContain('runlet_http_request_seconds_bucket{le="0.002",route="/api/run"} 0')
    expect(text).toContain('runlet_http_request_seconds_bucket{le="0.005",route="/api/run"} 1')
  })

  it('has the metrics of the process and the content type that Prometheus expects', async () => {
    const metrics = createMetrics()
    expect(await metrics.text()).toContain('process_resident_memory_bytes')
    expect(metrics.contentType).toMatch(/^text\/plain; version=0\.0\.4/)
  })

  it('shares nothing with another one in the same process', async () => {
    const [one, other] = [createMetrics(), createMetrics()]
    one.set('runlet_records_indexed', {}, 5)
    expect(await other.text()).toContain('runlet_records_indexed 0')
  })

  it('names the metric that is used as what it is not', () => {
    const name: MetricName = 'runlet_records_indexed'
    expect(() => createMetrics().add(name, {})).toThrow('runlet_records_indexed is a gauge')
  })
})
