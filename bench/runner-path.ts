/**
 * `node bench/runner-path.ts [EXECUTIONS] [AT_ONCE] [START_MS]`: what the runner itself costs. Consumer, gate, pool, execute, metrics and clock are the real ones; the
 * queue, the sandboxes and the store are replaced by ones that answer at once, as the slots of a nested tier do. So this is the rate that no tier can exceed.
 */
import { ExecutionIds } from '../core/ids.ts'
import { LimitSettings, resolveLimits } from '../core/limits.ts'
import type { DeliveryHandler, Sandbox, SandboxEnd, SandboxProvider } from '../core/ports.ts'
import { systemClock } from '../core/time.ts'
import { startRunner } from '../runner/service.ts'
import { createLog } from '../telemetry/log.ts'
import { createMetrics } from '../telemetry/metrics.ts'

const [executions = 20_000, atOnce = 16, startMs = 0] = process.argv.slice(2).map(Number)

/** Answers as a warm agent does: one frame of output and the result, in a later turn of the event loop. */
function slot(name: string, language: string): Sandbox {
  const { promise: ended, resolve } = Promise.withResolvers<SandboxEnd>()
  let listener: Parameters<Sandbox['onFrame']>[0] = () => {}
  return {
    ...{ name, language, version: '3.13.5', ended },
    onFrame: (given) => {
      listener = given
    },
    send: (frame) => {
      if (frame.type !== 'execute') return
      const { id } = frame
      setImmediate(() => {
        listener({ type: 'output', id, stream: 'stdout', data: '1\n', encoding: 'utf8' })
        const how = { cause: 'exited', phase: 'run', exitCode: 0, signal: null, truncated: false } as const
        listener({ type: 'result', id, ...how, wallTimeMs: 3, cpuTimeMs: 3, memoryBytes: 9_000_000 })
      })
    },
    destroy: async () => resolve({ reason: 'finished' }),
  }
}

let count = 0
const provider: SandboxProvider = {
  start: async (language) => {
    if (startMs > 0) await systemClock.sleep(startMs)
    return slot(`slot-${count++}`, language)
  },
}

const handlers: DeliveryHandler[] = []
const metrics = createMetrics()
const log = createLog({ name: 'bench', level: 'info' }, { write: () => {} })
await using _runner = await startRunner({
  ...{ provider, metrics, log, clock: systemClock },
  consumer: {
    consume: async (_, __, handler) => void handlers.push(handler),
    consumeDeadLetters: async () => {},
    stop: async () => {},
    depths: async () => [],
  },
  recorder: { takeOver: async () => false, markRunning: async () => {}, record: async () => {} },
  languages: { python: { warm: 4, max: 2 * atOnce } },
})
const [handle] = handlers
if (!handle) throw new Error('Nobody consumes')

const ids = new ExecutionIds('a key for this measurement')
const program = {
  ...{ language: 'python', code: 'print(1)', stdin: '', args: [], env: {}, files: [] },
  limits: resolveLimits(LimitSettings.parse({})),
}
let left = 0
async function lane(deliver: DeliveryHandler): Promise<void> {
  while (left-- > 0) {
    const acceptedAt = Date.now()
    const envelope = { version: 1 as const, id: ids.create(acceptedAt), acceptedAt, program }
    await deliver({ envelope, redelivered: false, reply: () => {}, replyBefore: acceptedAt + 30_000 })
  }
}

async function measure(total: number): Promise<void> {
  left = total
  await systemClock.sleep(300)
  const [cpu, wall] = [process.cpuUsage(), performance.now()]
  await Promise.all(Array.from({ length: atOnce }, () => lane(handle as DeliveryHandler)))
  const elapsed = performance.now() - wall
  const used = process.cpuUsage(cpu)
  const cpuMs = (used.user + used.system) / 1000 / total
  const heap = Math.round(process.memoryUsage().heapUsed / 2 ** 20)
  console.log(
    `${total} executions, ${atOnce} at a time: ${Math.round((total / elapsed) * 1000)}/s, ${cpuMs.toFixed(3)} ms of CPU each, heap ${heap} MiB`,
  )
}

await measure(Math.ceil(executions / 4)) // Until the code is compiled.
await measure(executions)
console.log((await metrics.text()).match(/^runlet_executions_total.*$/gm)?.join('\n'))
