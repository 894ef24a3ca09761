import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BOMB_LIMITS, BOMBS } from '../helpers/bombs.ts'
import { apply, eventually, getAll, kubectl } from '../helpers/cluster.ts'
import { Client, type Execution, type Program } from '../helpers/cluster-client.ts'
import { componentPods, explainFailures, installRelease, metricsOf, type Release } from '../helpers/cluster-release.ts'

/** Both languages in the nested tier, through HTTP, RabbitMQ and a runner. The tests build on each other. */
const EXECUTIONS_PER_JOB = 12
const tier = { tier: 'nested', nested: { slots: 4, executionsPerJob: EXECUTIONS_PER_JOB }, warm: 2, max: 8 }

let release: Release
let client: Client
let nested: string

beforeAll(async () => {
  const languages = { python: tier, javascript: tier }
  release = await installRelease('nested', { languages, runner: { replicas: 1 }, api: { replicas: 1 } })
  client = new Client(release.ask)
  nested = `${release.sandboxes}-nested`
})
afterAll(async () => {
  await release?.[Symbol.asyncDispose]()
})
explainFailures(() => release)

const agents = () => getAll('pods', '-n', nested, '--field-selector', 'status.phase=Running')
const outcome = ({ status, stdout }: Execution) => `${status} ${stdout}`
const runs = (programs: readonly Program[]) => Promise.all(programs.map((program) => client.run(program)))

describe('executions that share a Job', () => {
  it.each([
    ['python', 'import os; print("from", os.getpid(), os.listdir("/tmp/work"))', /^from \d+ \['main.py'\]\n$/],
    ['javascript', 'console.log("from", require("fs").readdirSync("/tmp/work"))', /^from \[ 'main.js' \]\n$/],
  ])('are run, scheduled and checked as others are, in %s', async (language, code, stdout) => {
    const [ran, id] = await Promise.all([client.run({ language, code }), client.schedule({ language, code })])
    const scheduled = await client.finish(id)
    expect(ran.stdout).toMatch(stdout)
    expect(scheduled).toMatchObject({ id, language, status: 'succeeded', stdout: expect.stringMatching(stdout) })
    expect(scheduled.languageVersion).toMatch(/^\d+\.\d+/)
    // A run that was answered has a record too, a moment later.
    await expect.poll(async () => (await client.check(ran.id)).status, { timeout: 10_000 }).toBe('succeeded')
    expect(await getAll('jobs', '-n', release.sandboxes)).toEqual([])
  })

  it('are found by kubectl with their result', async () => {
    const id = await client.schedule({ language: 'python', code: 'print("seen from outside"); exit(7)' })
    await client.finish(id)
    const jobs = await getAll('jobs', '-A', '-l', `runlet.dev/execution-${id}`)
    expect(jobs.map(({ metadata }) => metadata.labels?.[`runlet.dev/execution-${id}`])).toEqual(['failed'])
    const record = JSON.parse(jobs[0]?.metadata.annotations?.[`runlet.dev/execution-${id}`] ?? '')
    expect(record).toMatchObject({ id, language: 'python', result: { stdout: 'seen from outside\n', exitCode: 7 } })
  })

  it('are each their own, 60 at once, on a few pods and over the end of a Job', async () => {
    const programs = Array.from({ length: 60 }, (_, index) =>
      index % 3 === 0
        ? { language: 'javascript', code: `console.log(${index})` }
        : { language: 'python', code: `print(${index})` },
    )
    const one = async (program: Program, index: number) =>
      index % 2 === 0 ? await client.run(program) : await client.finish(await client.schedule(program))
    const executions = await Promise.all(programs.map(one))
    expect(executions.map(outcome)).toEqual(programs.map((_, index) => `succeeded ${index}\n`))
    // Two Jobs are as many as `max` allows for each language; more are on their way out.
    expect((await agents()).length).toBeLessThan(20)
    const jobs = await getAll('jobs', '-n', nested, '-l', 'runlet.dev/language=python,!runlet.dev/ran-on')
    expect(jobs.length).toBeGreaterThanOrEqual(40 / EXECUTIONS_PER_JOB - 1)
  })

  it('do not notice what another one exhausts, which ends as it should', async () => {
    const limits = { ...BOMB_LIMITS, wallTimeMs: 3000 }
    const expected = {
      memory: /out_of_memory/,
      processes: /timed_out/,
      output: /output_limit/,
      time: /timed_out/,
      files: /failed|out_of_memory/,
    } satisfies Record<keyof typeof BOMBS, RegExp>
    const neighbour = { language: 'python', code: 'import time; time.sleep(0.2); print(sum(range(10**5)))' }
    const bombing = runs(Object.values(BOMBS).map((code) => ({ language: 'python', code, limits })))
    const neighbours: Execution[] = []
    for (let round = 0; round < 5; round++) neighbours.push(...(await runs([neighbour, neighbour, neighbour])))
    expect(new Set(neighbours.map(outcome))).toEqual(new Set(['succeeded 4999950000\n']))
    const ends = (await bombing).map(({ status }) => status)
    for (const [index, name] of Object.keys(BOMBS).entries())
      expect(ends[index]).toMatch(expected[name as keyof typeof BOMBS])
    expect(outcome(await client.run(neighbour))).toBe('succeeded 4999950000\n')
  })

  it('have nothing in common, though they are forks of one Node that had started', async () => {
    // What a fork shares: descriptors (an eventfd has an id, a pipe an inode), generators of random numbers, what was read of its pid.
    const code = `
      const { readdirSync, readlinkSync, readFileSync } = require('node:fs')
      const { randomBytes, randomInt, randomUUID } = require('node:crypto')
      const descriptors = readdirSync('/proc/self/fd').flatMap((fd) => {
        try {
          const [id] = /eventfd-id:.*/.exec(readFileSync('/proc/self/fdinfo/' + fd, 'utf8')) ?? []
          return [id ?? readlinkSync('/proc/self/fd/' + fd)]
        } catch {
          return [] // the folder itself
        }
      })
      const numbers = [Math.random(), randomUUID(), crypto.randomUUID(), randomInt(2 ** 47), randomBytes(8)]
      const { Worker } = require('node:worker_threads')
      const source = 'require("node:worker_threads").parentPort.postMessage(Math.random())'
      new Worker(source, { eval: true }).on('message', (number) => {
        const random = [...numbers, number].map(String)
        const shareable = [...new Set(descriptors)].filter((name) => /^(pipe|socket|eventfd)/.test(name))
        console.log(JSON.stringify({ ownPid: process.pid === Number(readlinkSync('/proc/self')), random, shareable }))
        setTimeout(() => {}, 1500)
      })`
    const executions = await runs(Array.from({ length: 4 }, () => ({ language: 'javascript', code })))
    const said = executions.map(({ stdout }) => JSON.parse(stdout))
    expect(said.map(({ ownPid }) => ownPid)).toEqual([true, true, true, true])
    for (const all of [said.flatMap(({ random }) => random), said.flatMap(({ shareable }) => shareable)]) {
      expect(all.length).toBeGreaterThanOrEqual(4 * 6)
      expect(new Set(all).size).toBe(all.length)
    }
  })

  it('are run again when their pod goes', async () => {
    const code = 'import time; time.sleep(5); print("done")'
    const ids = await Promise.all([1, 2, 3].map(() => client.schedule({ language: 'python', code })))
    await expect.poll(async () => (await client.check(ids[0] ?? '')).status, { timeout: 30_000 }).toBe('running')
    const doomed = await getAll('pods', '-n', nested, '-l', 'runlet.dev/language=python')
    await kubectl('delete', 'pod', '-n', nested, ...doomed.map(({ metadata }) => metadata.name), '--wait=false')
    const executions = await Promise.all(ids.map((id) => client.finish(id)))
    expect(executions.map(outcome)).toEqual(['succeeded done\n', 'succeeded done\n', 'succeeded done\n'])
  })
})

describe('where the cluster does not let sandboxes share a pod', () => {
  it('each execution gets a Job, and the log and a metric say so', async () => {
    const refusing = `${release.namespace}-refusing`
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' }
    await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: refusing, labels } })
    try {
      await release.upgrade({ sandboxes: { nested: { create: false, name: refusing } } })
      // It waits for as long as the other tier is tried; a run would be told that there is no sandbox yet.
      const id = await client.schedule({ language: 'python', code: 'print(1)' })
      expect(outcome(await client.finish(id))).toBe('succeeded 1\n')
      const runner = await eventually('the new runner is the only one', async () => {
        const pods = await componentPods(release, 'runner')
        return pods.length === 1 && pods[0]?.metadata.name
      })
      await eventually('it says so', async () =>
        /runlet_tier_fallback\{language="python"\} 1/.test(await metricsOf(release, runner)),
      )
      const log = await kubectl('logs', '-n', release.namespace, runner)
      expect(log).toContain('Executions of this language get a Job each: the nested tier does not work here')
      expect(outcome(await client.run({ language: 'python', code: 'print(2)' }))).toBe('succeeded 2\n')
      expect(await getAll('jobs', '-n', release.sandboxes, '-l', `runlet.dev/execution-id=${id}`)).toHaveLength(1)
    } finally {
      await kubectl('delete', 'namespace', refusing, '--wait=false')
    }
  })
})

describe('helm uninstall', () => {
  it('leaves no namespace, Job or pod of the nested tier', async () => {
    await release.uninstall()
    const kinds = ['namespaces', 'validatingadmissionpolicies', 'validatingadmissionpolicybindings']
    for (const kind of kinds) {
      const left = (await getAll(kind)).map(({ metadata }) => metadata.name)
      expect(left.filter((name) => name.startsWith(release.sandboxes))).toEqual([])
    }
    expect(await getAll('jobs', '-n', nested)).toEqual([])
  })
})
