import { readFileSync } from 'node:fs'
import { loadYaml } from '@kubernetes/client-node'
import { describe, expect, it } from 'vitest'
import { ApiConfig } from '../api/config.ts'
import { requiredPermissions } from '../k8s/client.ts'
import { RunnerConfig } from '../runner/config.ts'

/** What the chart says twice, because the code says it too. How it renders is tested where helm is: tests/e2e/chart.test.ts. */
const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

type Tree = { [key: string]: Tree | unknown }

const valuesText = read('charts/runlet/values.yaml')
const values = loadYaml<Tree>(valuesText)
const schema = JSON.parse(read('charts/runlet/values.schema.json')) as Schema
const environment = read('charts/runlet/templates/_environment.tpl')
const validation = read('charts/runlet/templates/validate.yaml')

interface Schema {
  $ref?: string
  properties?: Record<string, Schema>
  additionalProperties?: unknown
  definitions?: Record<string, Schema>
}

/** The variables that one named template gives: name -> path in the values, or undefined where it is made otherwise. */
function variablesOf(template: string): Map<string, string | undefined> {
  const [, text = ''] = new RegExp(`define "${template}"(.*?)\\{\\{- end -\\}\\}`, 's').exec(environment) ?? []
  const listed = [...text.matchAll(/^ +"([A-Z_]+)" (?:\$values\.(\S+))?/gm)]
  const single = [...text.matchAll(/- name: ([A-Z_]+)/g)]
  return new Map([...listed, ...single].map(([, name = '', path]) => [name, path]))
}

const PROCESSES = [
  { process: 'api', config: ApiConfig, template: 'runlet.apiEnvironment' },
  { process: 'runner', config: RunnerConfig, template: 'runlet.runnerEnvironment' },
] as const

const common = variablesOf('runlet.commonEnvironment')

/** What a comment in values.yaml says the default is. */
function documentedDefault(path: string): string | undefined {
  const [section = '', ...keys] = path.split('.')
  const [, block = ''] = new RegExp(`^${section}:(.*?)(?=^\\S|(?![^]))`, 'ms').exec(valuesText) ?? []
  const line =
    keys.length === 0
      ? block.split('\n')[0]
      : new RegExp(`^${'  '.repeat(keys.length)}${keys.at(-1)}: null.*$`, 'm').exec(block)?.[0]
  return /\(default: ([^)\s]+)\)|(\w+) \(default\)/
    .exec(line ?? '')
    ?.slice(1)
    .find(Boolean)
}

describe.each(PROCESSES)('the environment of the $process', ({ config, template }) => {
  const variables = new Map([...common, ...variablesOf(template)])

  it('has the variables that its schema has', () => {
    // HOST: all addresses of a pod are right. RABBITMQ_PASSWORD is an ingredient of AMQP_URL.
    const expected = Object.keys(config.shape).filter((name) => name !== 'HOST')
    const given = [...variables.keys()].filter((name) => name !== 'RABBITMQ_PASSWORD')
    expect(given.sort()).toEqual(expected.sort())
  })

  it('has the defaults that values.yaml names', () => {
    const optional = [...variables].filter(([, path]) => path && documentedDefault(path) !== undefined)
    expect(optional.length).toBeGreaterThan(8)
    const shape: Record<string, { parse(value: unknown): unknown }> = config.shape
    const inCode = optional.map(([name, path]) => `${path}: ${shape[name]?.parse(undefined)}`)
    expect(optional.map(([, path = '']) => `${path}: ${documentedDefault(path)}`)).toEqual(inCode)
  })
})

describe('values.yaml', () => {
  const defined = (at: Schema): Schema =>
    at.$ref === undefined ? at : (schema.definitions?.[at.$ref.split('/').at(-1) ?? ''] ?? {})

  /** Every path of the schema, down to what is open. */
  function schemaPaths(at: Schema, prefix: string): string[] {
    const { properties } = defined(at)
    if (properties === undefined) return [prefix]
    return Object.entries(properties).flatMap(([key, inner]) => schemaPaths(inner, prefix ? `${prefix}.${key}` : key))
  }

  it('names every value that its schema takes', () => {
    const missing = schemaPaths(schema, '').filter((path) => {
      const keys = path.split('.')
      const parent = keys.slice(0, -1).reduce<unknown>((at, key) => (at as Tree | undefined)?.[key], values)
      // What is empty is open: its members are optional.
      const isOpen = parent !== undefined && Object.keys(parent as Tree).length === 0
      return !isOpen && (parent as Tree | undefined)?.[keys.at(-1) ?? ''] === undefined
    })
    const optional = /^(global$|.*resources\.(requests|limits)$|.*\.(requests|limits)\.|limits\.)/
    expect(missing.filter((path) => !optional.test(path))).toEqual([])
  })

  it('is closed: a misspelt name is an error', () => {
    const open = (at: Schema, path: string): string[] => {
      const { properties, additionalProperties } = defined(at)
      if (properties === undefined) return []
      const inner = Object.entries(properties).flatMap(([key, next]) => open(next, `${path}.${key}`))
      return additionalProperties === false ? inner : [path, ...inner]
    }
    expect(open(schema, 'values')).toEqual([])
  })

  it('names languages as their images do', () => {
    const languages = values.languages as Record<string, { image: string; aliases: string[] }>
    for (const [name, { image, aliases }] of Object.entries(languages)) {
      const folder = image.split('/').at(-1)
      expect({ name, aliases }).toEqual(pick(JSON.parse(read(`images/${folder}/language.json`))))
    }
  })

  const pick = ({ name, aliases }: { name: string; aliases: string[] }) => ({ name, aliases })
})

describe('the chart', () => {
  it('gives exactly the permissions that the code needs', () => {
    type Rule = { apiGroups: string[]; resources: string[]; verbs: string[] }
    const rules = loadYaml<Record<string, Rule[]>>(read('charts/runlet/permissions.yaml'))
    const required = Object.entries(requiredPermissions).map(([component, permissions]) => [
      component,
      permissions.map(({ group, resource, verbs }) => ({
        apiGroups: [group],
        resources: [resource],
        verbs: [...verbs].sort(),
      })),
    ])
    const given = Object.entries(rules).map(([component, list]) => [
      component,
      list.map((rule) => ({ ...rule, verbs: rule.verbs.toSorted() })),
    ])
    expect(given).toEqual(required)
  })

  it('checks against the defaults that the code has', () => {
    const { LIMITS, RUN_WAIT_MS } = ApiConfig.shape
    expect(validation).toContain(`dig "memoryBytes" "maximum" ${LIMITS.parse(undefined).memoryBytes.maximum} `)
    expect(validation).toContain(`dig "wallTimeMs" "maximum" ${LIMITS.parse(undefined).wallTimeMs.maximum} `)
    expect(validation).toContain(`runWaitMs | default ${RUN_WAIT_MS.parse(undefined)} `)
  })

  it('has the version of the code', () => {
    const { version } = JSON.parse(read('package.json')) as { version: string }
    expect(loadYaml(read('charts/runlet/Chart.yaml'))).toMatchObject({ version, appVersion: version })
  })
})
