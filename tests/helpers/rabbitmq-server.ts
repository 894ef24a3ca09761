import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { freePorts } from './free-ports.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** A running RabbitMQ of the test run's own, as guest. */
    amqpUrl: string
  }
}

/** Debian's first: its `rabbitmq-server` on the PATH is a wrapper that changes the user and the folders. */
const PROGRAMS = [
  '/usr/lib/rabbitmq/bin/rabbitmq-server',
  '/usr/sbin/rabbitmq-server',
  '/usr/local/sbin/rabbitmq-server',
]

/** It takes 5 to 8 s on two quiet cores. */
const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 20_000

/** A private RabbitMQ: its own ports, data folder, node name and port mapper; nothing of it stays. Needs neither root nor systemd. */
export interface RabbitmqServer extends AsyncDisposable {
  /** The same after a restart. */
  readonly url: string
  readonly port: number
  /** SIGKILL, as if the machine had gone: what was not on disk is lost. */
  kill(): Promise<void>
  /** Starts it again on the same data and port, after `kill`. */
  start(): Promise<void>
  /** Ends it and removes its data. */
  stop(): Promise<void>
}

/**
 * @param definitions users, virtual hosts and permissions as RabbitMQ loads them at its start; without them there is the user guest, who may do everything
 * @throws Error that says how to install it, or why it did not start
 */
export async function startRabbitmq(definitions?: object): Promise<RabbitmqServer> {
  const program = PROGRAMS.find((path) => existsSync(path))
  if (program === undefined)
    throw new Error(
      'RabbitMQ is not installed; on Debian and Ubuntu: apt-get install --no-install-recommends rabbitmq-server',
    )
  const [port, distributionPort, mapperPort] = await freePorts()
  await using starting = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'runlet-rabbitmq-'))
  starting.defer(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'plugins'), '[].')
  if (definitions !== undefined) {
    await writeFile(join(folder, 'definitions.json'), JSON.stringify(definitions))
    await writeFile(join(folder, 'rabbitmq.conf'), `load_definitions = ${join(folder, 'definitions.json')}\n`)
  }
  const environment = { ...process.env, ...environmentOf(folder, port, distributionPort, mapperPort) }
  const mapper = await startMapper(environment, mapperPort)
  starting.defer(() => end(mapper, 'SIGTERM'))
  const startBroker = () => startProcess(program, [], environment, /Server startup complete/)
  let broker = await startBroker()
  starting.defer(() => end(broker, 'SIGTERM'))
  const running = starting.move()
  return {
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    port,
    kill: () => end(broker, 'SIGKILL'),
    start: async () => {
      broker = await startBroker()
    },
    stop: () => running.disposeAsync(),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

function environmentOf(folder: string, port: number, distributionPort: number, mapperPort: number) {
  return {
    HOME: folder,
    RABBITMQ_NODENAME: `runlet-${port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_MNESIA_BASE: join(folder, 'data'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_LOGS: '-',
    RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(folder, 'none'),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'plugins'),
    // Schedulers that spin while they wait take the cores that the tests need.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none',
    ERL_EPMD_PORT: String(mapperPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
  }
}

/** Erlang's port mapper in the foreground: Erlang would leave one running for ever. Its first line comes just before it listens, long before the broker asks. */
async function startMapper(environment: NodeJS.ProcessEnv, port: number): Promise<ChildProcess> {
  const args = ['-d', '-port', String(port), '-address', '127.0.0.1']
  return await startProcess('epmd', args, environment, /epmd running/)
}

/** Starts a process in a group of its own, so that what it starts ends with it, and waits for a line that says that it is ready. */
function startProcess(
  command: string,
  args: string[],
  environment: NodeJS.ProcessEnv,
  ready: RegExp,
): Promise<ChildProcess> {
  const child = spawn(command, args, { env: environment, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  guard(child)
  let output = ''
  return new Promise((resolve, reject) => {
    const fail = (reason: string) => {
      clearTimeout(timer)
      signalGroup(child, 'SIGKILL')
      reject(new Error(`${command} ${reason}. The end of its output:\n${output.slice(-3_000)}`))
    }
    const timer = setTimeout(() => fail(`was not ready after ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS)
    child.once('error', (error) => fail(`could not be started: ${error.message}`))
    const onExit = (code: number | null, signal: string | null) =>
      fail(`ended with ${code ?? signal} before it was ready`)
    child.once('exit', onExit)
    const read = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-20_000)
      if (!ready.test(output)) return
      clearTimeout(timer)
      child.off('exit', onExit)
      for (const stream of [child.stdout, child.stderr]) stream?.off('data', read).resume()
      resolve(child)
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
  })
}

/** Ends the group of a process when this one dies without a chance to do it: its end of the pipe closes then. */
function guard(child: ChildProcess): void {
  if (child.pid === undefined) return
  const script = 'read -r _; kill -KILL "-$1"'
  const watcher = spawn('/bin/sh', ['-c', script, 'sh', String(child.pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  child.once('close', () => watcher.kill('SIGKILL'))
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  signalGroup(child, signal)
  const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), STOP_TIMEOUT_MS)
  await exited
  clearTimeout(timer)
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // It has ended already.
  }
}

let shared: RabbitmqServer | undefined

/** Called by vitest before the first integration test. TEST_AMQP_URL names a broker to test against instead of one of our own, of another version for example. */
export async function setup(project: TestProject): Promise<void> {
  const given = process.env.TEST_AMQP_URL
  if (given === undefined) shared = await startRabbitmq()
  project.provide('amqpUrl', given ?? shared?.url ?? '')
}

/** Called by vitest after the last one. */
export async function teardown(): Promise<void> {
  await shared?.stop()
}
