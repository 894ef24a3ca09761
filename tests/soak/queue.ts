import { setTimeout as sleep } from 'node:timers/promises'
import { ProcessWorld } from '../faults/helpers/process-world.ts'
import { ask } from '../helpers/cluster-http.ts'
import { IMAGES } from '../helpers/cluster-release.ts'
import { startEmbedded } from '../helpers/embedded.ts'
import { look, NODE_ARGUMENTS } from './embedded.ts'
import type { Ask } from './load.ts'
import { formatSamples, processSample, type Sample } from './table.ts'

const PARTS = 4
const AT_ONCE = 8
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

/** The same in RabbitMQ, before an api and a runner whose sandboxes are in the cluster in KUBECONFIG. */
export async function soakQueueCluster(count: number): Promise<string> {
  const python = { image: IMAGES.python, warm: 1, max: 1, aliases: [], resources: { requests: { cpu: '10m' } } }
  const env = { QUEUE_MAX_LENGTH: String(count), LOG_LEVEL: 'warn' }
  await using world = await ProcessWorld.start({ runners: 1, apis: 1, languages: { python }, env })
  return await fill(world.ask, count, async () => {
    await sleep(5_000)
    const parts = await Promise.all(
      [...world.apis, ...world.runnerParts].map(async ({ name, options }): Promise<Sample> => {
        const text = await (await fetch(`http://127.0.0.1:${options.metricsPort}/metrics`)).text()
        const role = name.replace(/-.*/, '')
        return Object.fromEntries(
          Object.entries(processSample(text)).map(([what, value]) => [`${role}: ${what}`, value]),
        )
      }),
    )
    return { ...Object.assign({}, ...parts), ...(await world.depths()) }
  })
}

/** Schedules until the queue is full, with a look after each quarter; then it must refuse, and say when to come again. */
async function fill(ask: Ask, count: number, sample: () => Promise<Sample>): Promise<string> {
  const samples = [{ at: '0', sample: await sample() }]
  const begin = performance.now()
  for (let part = 1; part <= PARTS; part++) {
    let left = Math.round(count / PARTS)
    const work = async () => {
      while (left-- > 0) {
        const { status, text } = await ask('/api/schedule', { body: BODY })
        if (status !== 202) throw new Error(`Refused with ${status}: ${text}`)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
    samples.push({ at: String(Math.round((count * part) / PARTS)), sample: await sample() })
    process.stderr.write(`${formatSamples(samples)}\n`)
  }
  const seconds = (performance.now() - begin) / 1000
  // Those that are with a runner do not wait: so many more fit.
  for (let more = 0; more < 20; more++) {
    const { status, headers, text } = await ask('/api/schedule', { body: BODY })
    if (status === 202) continue
    if (status !== 503 || headers['retry-after'] === undefined) throw new Error(`Refused with ${status}: ${text}`)
    const answer = `${status}, Retry-After ${headers['retry-after']}`
    return `${formatSamples(samples)}\n\nFull in ${seconds.toFixed(0)} s, looks included; then: ${answer}.`
  }
  throw new Error('The queue takes more than it should')
}
