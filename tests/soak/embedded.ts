import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ask } from '../helpers/cluster-http.ts'
import { descendants, type Embedded, startEmbedded } from '../helpers/embedded.ts'
import { execute } from './load.ts'
import { inQuarters } from './quarters.ts'
import { processSample, type Sample } from './table.ts'

/** Until memory is what it will be: pools are full, code is compiled, caches are warm. */
const WARM_UP = 1_000
const AT_ONCE = 6
/** What was busy is quiet after it: idle connections are closed, the next look for old records is over. */
const QUIET_MS = 8_000

/** A process with a garbage collector that can be asked. */
export const NODE_ARGUMENTS = ['--expose-gc', '--import', join(import.meta.dirname, 'collect-garbage.ts')]

/** `count` executions through one embedded process that keeps results for a minute, with a look at it after each quarter. */
export async function soakEmbedded(count: number): Promise<string> {
  await using server = await startEmbedded({
    env: { WARM: '2', MAX: '4', RETENTION_SECONDS: '60', LOG_LEVEL: 'warn' },
    nodeArguments: NODE_ARGUMENTS,
  })
  const load = (part: number) =>
    execute({ ask: (path, question) => ask(server.url, '127.0.0.1', path, question), count: part, atOnce: AT_ONCE })
  await load(WARM_UP)
  let seconds = 0
  const work = async (part: number) => {
    seconds += (await load(part)).seconds
  }
  const table = await inQuarters({ begin: `0 (after ${WARM_UP} more)`, count, work, look: () => look(server) })
  const said = server.output().split('\n').length - 1
  return `${table}\n\n${(count / seconds).toFixed(1)} executions per second; ${said} lines of log.`
}

/** When it is quiet and has thrown away what it can. */
export async function look({ url, pid, dataDir }: Embedded): Promise<Sample> {
  await sleep(QUIET_MS)
  process.kill(pid, 'SIGUSR2')
  await sleep(1_000)
  const text = await (await fetch(`${url}/metrics`)).text()
  const children = await descendants(pid)
  const database = await sizeOf(join(dataDir, 'runlet.db'))
  const log = await sizeOf(join(dataDir, 'runlet.db-wal'))
  return { ...processSample(text), 'child processes': children.length, 'database, MiB': database, 'its log, MiB': log }
}

const sizeOf = async (file: string) => ((await stat(file)).size / 2 ** 20).toFixed(1)
