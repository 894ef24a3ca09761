import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { getAll, helm, kubectl, run } from '../helpers/cluster.ts'
import { Client, type Execution, type Program } from '../helpers/cluster-client.ts'
import { reachableFrom, reachableFromTwin } from '../helpers/cluster-probe.ts'
import {
  componentPods,
  explainFailures,
  installRelease,
  RELEASE,
  type Release,
  restartsOf,
} from '../helpers/cluster-release.ts'
import { markedProgram } from '../helpers/marked-program.ts'

let release: Release
let client: Client

beforeAll(async () => {
  release = await installRelease('run', { logLevel: 'debug' })
  client = new Client(release.ask)
})
afterAll(async () => await release?.[Symbol.asyncDispose]())
explainFailures(() => release)

const echo = {
  python: `
import json, os, sys
from helpers.shout import shout
print(json.dumps([sys.stdin.read(), sys.argv[1:], os.environ.get("COLOUR"), shout("hello"), list(open("data.bin", "rb").read())]))
print("aside", file=sys.stderr)`,
  javascript: `
const fs = require('node:fs')
const { shout } = require('./helpers/shout.js')
console.log(JSON.stringify([fs.readFileSync(0, 'utf8'), process.argv.slice(2), process.env.COLOUR, shout('hello'), [...fs.readFileSync('data.bin')]]))
console.error('aside')`,
}
const helper = {
  python: { name: 'helpers/shout.py', content: 'def shout(text): return text.upper()\n' },
  javascript: { name: 'helpers/shout.js', content: 'exports.shout = (text) => text.toUpperCase()\n' },
}

/** What ends a program, and as what it must be told. */
const endings: { how: string; expected: Partial<Execution>; python: string; javascript: string; limits?: object }[] = [
  {
    how: 'exits with a code',
    expected: { status: 'failed', exitCode: 3, signal: null },
    python: 'import sys; sys.exit(3)',
    javascript: 'process.exit(3)',
  },
  {
    how: 'dies of a signal',
    expected: { status: 'failed', exitCode: null, signal: 'SIGABRT' },
    python: 'import os; os.abort()',
    javascript: 'process.abort()',
  },
  {
    how: 'sleeps too long',
    expected: { status: 'timed_out' },
    limits: { wallTimeMs: 700 },
    python: 'import time; print("before", flush=True); time.sleep(60)',
    javascript: 'console.log("before"); setTimeout(() => {}, 60_000)',
  },
  {
    how: 'uses too much memory',
    expected: { status: 'out_of_memory' },
    python: 'held = [bytearray(1 << 20) for _ in range(4096)]',
    javascript: 'const held = []; for (;;) held.push(Buffer.alloc(1 << 20, 1))',
  },
  {
    how: 'prints too much',
    expected: { status: 'output_limit', truncated: true },
    limits: { outputBytes: 1000 },
    python: 'while True: print("x" * 100)',
    javascript: 'const fs = require("node:fs"); for (;;) fs.writeSync(1, "x".repeat(100))',
  },
]

describe.each(['python', 'javascript'] as const)('a %s program', (language) => {
  it('gets its input and gives its output, by both endpoints', async () => {
    const program: Program = {
      language,
      code: echo[language],
      stdin: 'line\nžluťoučký',
      args: ['--flag', 'two words'],
      env: { COLOUR: 'blue' },
      files: [helper[language], { name: 'data.bin', content: 'AP+A', encoding: 'base64' }],
    }
    const stdout = `${JSON.stringify(['line\nžluťoučký', ['--flag', 'two words'], 'blue', 'HELLO', [0, 255, 128]])}\n`
    const expected = { status: 'succeeded', stderr: 'aside\n', exitCode: 0, signal: null, truncated: false }
    const [ran, id] = await Promise.all([client.run(program), client.schedule(program)])
    const scheduled = await client.finish(id)
    // JSON of the two languages differs in spaces, and in nothing else.
    for (const execution of [ran, scheduled]) {
      expect(execution).toMatchObject(expected)
      expect(JSON.parse(execution.stdout)).toEqual(JSON.parse(stdout))
    }
    expect(scheduled).toMatchObject({ id, language, languageVersion: expect.stringMatching(/^\d+\.\d+/) })
  })

  it.each(endings)('that $how is told as $expected.status', async ({ expected, limits, ...code }) => {
    const execution = await client.run({ language, code: code[language], ...(limits && { limits }) })
    expect(execution).toMatchObject(expected)
  })
})

describe('the queue', () => {
  it('answers 50 at once, by both endpoints, in both languages, each with its own output', async () => {
    const program = (index: number): Program =>
      index % 2 === 0
        ? { language: 'py', code: `print(${index})` }
        : { language: 'JavaScript', code: `console.log(${index})` }
    const one = async (index: number) =>
      index % 5 === 0
        ? await client.run(program(index))
        : await client.finish(await client.schedule(program(index)), 170_000)
    const executions = await Promise.all(Array.from({ length: 50 }, (_, index) => one(index)))
    expect(executions.map(({ status, stdout }) => `${status} ${stdout}`)).toEqual(
      executions.map((_, index) => `succeeded ${index}\n`),
    )
    expect(new Set(executions.map(({ id }) => id)).size).toBe(50)
    expect(await restartsOf(release, 'api')).toBe(0)
    expect(await restartsOf(release, 'runner')).toBe(0)
  })

  it('gives every replica of the API the same answer', async () => {
    const id = await client.schedule({ language: 'python', code: 'print("everywhere")' })
    const first = await client.finish(id)
    const pods = await componentPods(release, 'api')
    expect(pods).toHaveLength(2)
    const answers = await Promise.all(
      pods.map(async ({ metadata }) => {
        const path = `/api/v1/namespaces/${release.namespace}/pods/${metadata.name}:8080/proxy/api/schedule/check/${id}?wait=20`
        return JSON.parse(await kubectl('get', '--raw', path)) as Execution
      }),
    )
    expect(answers).toEqual([first, first])
  })

  it('is worked off by both runners', async () => {
    const runners = await componentPods(release, 'runner')
    const finished = await getAll('jobs', '-n', release.sandboxes, '-l', 'runlet.dev/state=finished')
    const names = new Set(finished.map(({ metadata }) => metadata.labels?.['runlet.dev/runner']))
    expect([...names].sort()).toEqual(runners.map(({ metadata }) => metadata.name).sort())
  })
})

describe('kubectl', () => {
  it('finds an execution by its id and shows its result', async () => {
    const id = await client.schedule({ language: 'python', code: 'print("seen from outside"); exit(7)' })
    await client.finish(id)
    const select = ['-n', release.sandboxes, 'get', 'jobs', '-l', `runlet.dev/execution-id=${id}`]
    const table = await kubectl(...select, '-L', 'runlet.dev/language,runlet.dev/state,runlet.dev/status')
    expect(table.split('\n')).toHaveLength(2)
    expect(table).toMatch(/python +finished +failed$/)
    const path = `{.items[0].metadata.annotations.runlet\\.dev/execution-${id}}`
    const record = JSON.parse(await kubectl(...select, '-o', `jsonpath=${path}`))
    expect(record).toMatchObject({ id, language: 'python', result: { stdout: 'seen from outside\n', exitCode: 7 } })
  })

  it('tells warm, running and finished sandboxes apart', async () => {
    const id = await client.schedule({ language: 'python', code: 'import time; time.sleep(8)' })
    await expect.poll(async () => (await client.check(id)).status, { timeout: 60_000, interval: 500 }).toBe('running')
    const states = async (state: string) =>
      (await getAll('jobs', '-n', release.sandboxes, '-l', `runlet.dev/state=${state}`)).map(
        ({ metadata }) => metadata.labels?.['runlet.dev/execution-id'],
      )
    expect(await states('running')).toContain(id)
    await expect.poll(async () => (await states('warm')).length, { timeout: 60_000, interval: 500 }).toBeGreaterThan(0)
    expect(await states('warm')).not.toContain(id)
    await client.finish(id)
    expect(await states('finished')).toContain(id)
  })

  it('may start no pod among the sandboxes that breaks the restricted standard', async () => {
    const pod = ['run', 'intruder', '-n', release.sandboxes, '--image=runlet/service:dev', '--dry-run=server']
    await expect(kubectl(...pod, '--privileged')).rejects.toThrow(/violates PodSecurity "restricted/)
  })
})

describe('the logs', () => {
  it('hold nothing of programs, inputs, files, variables or keys', async () => {
    const marked = (what: string) => `marker-${what}-${release.namespace}`
    const program = markedProgram(marked)
    const headers = { authorization: `Bearer ${marked('key')}` }
    await release.ask('/api/run/', { body: program, headers })
    await client.finish(await client.schedule(program))
    await release.ask('/api/run/', { body: { ...program, limits: { [marked('field')]: 1 } }, headers })
    await release.ask('/api/run/', { body: `{"code": "${marked('broken')}`, headers })
    await release.ask(`/api/schedule/check/${marked('id')}`, { headers })
    for (const component of ['api', 'runner', 'rabbitmq']) {
      const select = ['-l', `app.kubernetes.io/component=${component}`, '--tail', '-1', '--all-containers']
      const log = await kubectl('logs', '-n', release.namespace, ...select)
      expect(log.length).toBeGreaterThan(0)
      expect(log.split('\n').filter((line) => line.includes('marker-'))).toEqual([])
    }
  })
})

describe('the network', () => {
  const address = async (namespace: string, service: string, port: number) =>
    `${await kubectl('-n', namespace, 'get', 'service', service, '-o', 'jsonpath={.spec.clusterIP}')}:${port}`

  it('leads to RabbitMQ from api and runner only, and from the sandboxes nowhere', async () => {
    const targets = await Promise.all([
      address(release.namespace, `${RELEASE}-rabbitmq`, 5672),
      address(release.namespace, `${RELEASE}-api`, 80),
      address('default', 'kubernetes', 443),
    ])
    const [neighbour, sandbox] = await Promise.all([
      reachableFrom(release.namespace, targets),
      reachableFromTwin(release.sandboxes, targets),
    ])
    expect(neighbour).toEqual([false, true, true])
    expect(sandbox).toEqual([false, false, false])
  })
})

describe('helm', () => {
  it('says after the installation what can be pasted, and it works', async () => {
    const notes = await helm('get', 'notes', RELEASE, '-n', release.namespace)
    const commands = notes.split('\n').filter((line) => line.startsWith('  '))
    // Another port, since 8080 may be taken here. The name of the Ingress is in no DNS, and `helm test` has a test of its own.
    const script = commands
      .filter((line) => !/\.test\/|helm test/.test(line))
      .join('\n')
      .replaceAll('8080', '18480')
    expect(script.split('\n')).toHaveLength(4)
    const output = await run('bash', ['-euc', `trap 'kill $!' EXIT\n${script}`])
    expect(output).toContain('successfully rolled out')
    expect(output).toContain('"stdout":"42\\n"')
    expect(output).toMatch(/NAME +STATUS .* LANGUAGE +STATE +STATUS/)
  })

  it('tests the release, with programs in both languages by both endpoints, and takes its pod away', async () => {
    const finished = async () => {
      const jobs = await getAll('jobs', '-n', release.sandboxes, '-l', 'runlet.dev/state=finished')
      const languages = jobs.map(({ metadata }) => metadata.labels?.['runlet.dev/language'])
      return ['python', 'javascript'].map((name) => languages.filter((language) => language === name).length)
    }
    const before = await finished()
    // Without --logs: Helm 3 looks for them when the pod is gone.
    const output = await helm('test', RELEASE, '-n', release.namespace, '--timeout', '4m')
    expect(output).toMatch(/Phase: +Succeeded/)
    await expect.poll(finished, { timeout: 20_000 }).toEqual(before.map((count) => count + 2))
    const left = await componentPods(release, 'test')
    expect(left).toEqual([])
  })
})
