import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Part } from '../faults/helpers/part.ts'
import { ask } from '../helpers/cluster-http.ts'
import { startEmbedded } from '../helpers/embedded.ts'
import { freePorts } from '../helpers/free-ports.ts'
import { startRabbitmq } from '../helpers/rabbitmq-server.ts'
import { look, NODE_ARGUMENTS } from './embedded.ts'
import type { Ask } from './load.ts'
import { inQuarters } from './quarters.ts'
import { processSample, type Sample, sampleOf } from './table.ts'

const AT_ONCE = 8
/** The runner measures its queues every 5 s. */
const QUIET_MS = 8_000
/** Nothing is emptied meanwhile. */
const BODY = { language: 'python', code: 'import time\ntime.sleep(60)', limits: { wallTimeMs: 60_000 } }

/** `count` executions that wait in the file of the embedded mode. */
export async function soakQueueEmbedded(count: number): Promise<string> {
  const env = { WARM: '0', MAX: '1', LOG_LEVEL: 'warn', QUEUE_MAX_LENGTH: String(count) }
  await using server = await startEmbedded({ env, nodeArguments: NODE_ARGUMENTS })
  return await fill(
    (path, question) => ask(server.url, '127.0.0.1', path, question),
    count,
    () => look(server),
  )
}

/** The same in a RabbitMQ, before an api and a runner that are processes of their own; in place of the cluster there is nothing. */
export async function soakQueueRabbitmq(count: number): Promise<string> {
  await using scope = new AsyncDisposableStack()
  const broker = scope.use(await startRabbitmq())
  const [port, ...metricsPorts] = await freePorts()
  const env = { AMQP_URL: broker.url, QUEUE_MAX_LENGTH: String(count), PORT: String(port) }
  const start = async (name: 'api' | 'runner', metricsPort: number) => {
    const main = join('tests', 'soak', 'part-without-cluster.ts')
    return scope.use(
      await Part.start({ name, main, env: { ...env, ROLE: name }, metricsPort, nodeArguments: NODE_ARGUMENTS }),
    )
  }
  const parts = [await start('runner', metricsPorts[0]), await start('api', metricsPorts[1])]
  const schedule: Ask = (path, question) => ask(`http://127.0.0.1:${port}`, 'localhost', path, question)
  return await fill(schedule, count, async () => {
    for (const { pid } of parts) process.kill(pid, 'SIGUSR2')
    await sleep(QUIET_MS)
    return Object.assign({}, ...(await Promise.all(parts.map(partSample))))
  })
}

async function partSample({ name, options }: Part): Promise<Sample> {
  const text = await (await fetch(`http://127.0.0.1:${options.metricsPort}/metrics`)).text()
  const waiting = /^runlet_queue_messages\{language="python",queue="executions"\} (\d+)/m.exec(text)?.[1]
  const sample = { ...processSample(text), ...(waiting && { 'sees that wait': waiting }) }
  return sampleOf(name, sample)
}

/** Schedules until the queue is full, with a look after each quarter; then it must refuse, and say when to come again. */
async function fill(ask: Ask, count: number, look: () => Promise<Sample>): Promise<string> {
  const work = async (part: number) => {
    let left = part
    const caller = async () => {
      while (left-- > 0) {
        const { status, text } = await ask('/api/schedule', { body: BODY })
        if (status !== 202) throw new Error(`Refused with ${status}: ${text}`)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, caller))
  }
  const began = performance.now()
  const table = await inQuarters({ begin: '0', count, work, look })
  const seconds = (performance.now() - began) / 1000
  // Those that are with a runner do not wait: so many more fit.
  for (let more = 0; more < 20; more++) {
    const { status, headers, text } = await ask('/api/schedule', { body: BODY })
    if (status === 202) continue
    if (status !== 503 || headers['retry-after'] === undefined) throw new Error(`Refused with ${status}: ${text}`)
    const answer = `${status}, Retry-After ${headers['retry-after']}`
    return `${table}\n\nFull in ${seconds.toFixed(0)} s, looks included; then: ${answer}.`
  }
  throw new Error('The queue takes more than it should')
}
