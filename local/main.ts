import { join } from 'node:path'
import { ConfigError, readConfig } from '../core/config.ts'
import { toError } from '../core/errors.ts'
import { aborted } from '../core/time.ts'
import { createLog } from '../telemetry/log.ts'
import { openTraces } from '../telemetry/open-traces.ts'
import { LocalConfig } from './config.ts'
import { PreflightError } from './preflight.ts'
import { type Local, startLocal } from './start.ts'

/** Runlet in one process: `npm start`. The log goes to stderr, what a person wants to read to stdout. */
async function main(): Promise<void> {
  const config = readConfig(LocalConfig, process.env)
  const log = createLog({ name: 'runlet', level: config.LOG_LEVEL }, process.stderr)
  const stop = new AbortController()
  // Once: a second Ctrl-C ends the process at once, and the kernel ends the sandboxes with it.
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort())
  const images = join(import.meta.dirname, '..', 'images')
  const place = { path: process.env.PATH ?? '', images, node: process.execPath }
  await using tracer = await openTraces({ config, service: 'runlet', log })
  await using local = await startLocal({ config, log, ...place, draining: stop.signal, tracer })
  if (!isLoopback(config.HOST) && config.API_KEY_HASHES.length === 0)
    log.warn({ host: config.HOST }, 'Whoever can reach this address can run programs here: set API_KEY_HASHES')
  process.stdout.write(greeting(local))
  await aborted(stop.signal)
}

function greeting({ url, languages }: Local): string {
  const names = languages.map(({ name, version }) => `${name} ${version}`).join(', ')
  return `Runlet listens on ${url} (${names}). Try it:

  curl -s ${url}/api/run/ -H 'content-type: application/json' -d '{"language": "python", "code": "print(6 * 7)"}'

The documentation is at ${url}/docs. Ctrl-C ends it.
`
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host)
}

/** What the person who started it can mend is said in a sentence; anything else with its stack. */
function explain(error: Error): string {
  if (error instanceof ConfigError || error instanceof PreflightError) return error.message
  const { code, port } = error as { code?: string; port?: number }
  if (code === 'EADDRINUSE') return `Port ${port} is in use: set PORT to another one.`
  if (code === 'EACCES' && port !== undefined) return `Port ${port} is not for this user: set PORT to another one.`
  return error.stack ?? error.message
}

try {
  await main()
} catch (thrown) {
  process.stderr.write(`runlet: ${explain(toError(thrown))}\n`)
  process.exitCode = 1
}
