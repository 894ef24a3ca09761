import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'

/** Which folder may import which; DESIGN in docs/adr/0001. */
const MAY_IMPORT: Record<string, string[]> = {
  core: ['core'],
  telemetry: ['telemetry', 'core'],
  broker: ['broker', 'core'],
  k8s: ['k8s', 'core'],
  api: ['api', 'core', 'broker', 'k8s', 'telemetry'],
  runner: ['runner', 'core', 'broker', 'k8s', 'telemetry'],
  local: ['local', 'core', 'broker', 'k8s', 'api', 'runner', 'telemetry', 'images'],
}

/** Which package may be used where. */
const OWNER: Record<string, RegExp> = {
  zod: /^(core|api|telemetry|broker|k8s|runner|local)\//,
  hono: /^(api|telemetry|local)\//,
  '@hono/node-server': /^(api|telemetry|local)\//,
  '@hono/zod-openapi': /^api\//,
  'swagger-ui-dist': /^api\//,
  amqplib: /^broker\//,
  '@kubernetes/client-node': /^k8s\//,
  ws: /^k8s\//,
  'prom-client': /^telemetry\//,
  pino: /^telemetry\//,
  '@opentelemetry': /^telemetry\/traces\.ts$/,
  'node:sqlite': /^local\//,
  'lru-cache': /^(k8s|api)\//,
}

const sources = globSync(`{${Object.keys(MAY_IMPORT).join(',')}}/**/*.ts`).sort()
const production = sources.filter((file) => !file.endsWith('.test.ts'))

function imports(file: string): string[] {
  const text = readFileSync(file, 'utf8')
  return [...text.matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)].map((match) => match[1] ?? '')
}

function folderFaults(file: string): string[] {
  const home = file.split('/')[0] ?? ''
  return imports(file)
    .filter((target) => target.startsWith('.'))
    .map((target) => normalize(join(dirname(file), target)))
    .filter((target) => !MAY_IMPORT[home]?.includes(target.split('/')[0] ?? ''))
    .map((target) => `${file} -> ${target}`)
}

function packageFaults(file: string): string[] {
  return imports(file).flatMap((target) => {
    const owner = Object.keys(OWNER).find((name) => target === name || target.startsWith(`${name}/`))
    return owner !== undefined && !OWNER[owner]?.test(file) ? [`${file} uses ${owner}`] : []
  })
}

/** The files that a file reaches, or the first cycle among them. */
function findCycle(file: string, trail: string[], done: Set<string>): string[] | undefined {
  if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file]
  if (done.has(file)) return undefined
  for (const target of imports(file).filter((name) => name.startsWith('.'))) {
    const next = normalize(join(dirname(file), target))
    if (!next.endsWith('.ts')) continue
    const cycle = findCycle(next, [...trail, file], done)
    if (cycle) return cycle
  }
  done.add(file)
  return undefined
}

const matching = (pattern: RegExp, files: string[]) => files.filter((file) => pattern.test(readFileSync(file, 'utf8')))

describe('the structure', () => {
  it('imports only what each folder may import', () => {
    expect(production.flatMap(folderFaults)).toEqual([])
  })

  it('uses each package only where it belongs', () => {
    expect(production.flatMap(packageFaults)).toEqual([])
  })

  it('has no import cycles', () => {
    const done = new Set<string>()
    expect(production.map((file) => findCycle(file, [], done)).filter(Boolean)).toEqual([])
  })

  it('touches the process only in main files', () => {
    const others = production.filter((file) => !file.endsWith('/main.ts'))
    expect(matching(/process\.(env|exit|on|once)\b/, others)).toEqual([])
  })

  it('owns time and chance in the core only where they are named so', () => {
    const others = production.filter((file) => file.startsWith('core/') && !file.endsWith('/time.ts'))
    expect(matching(/Date\.now\(|Math\.random\(|setTimeout\(|new Date\(\)/, others)).toEqual([])
  })

  it('has named exports and no barrels', () => {
    expect(matching(/^export default/m, production)).toEqual([])
    expect(sources.filter((file) => file.endsWith('/index.ts'))).toEqual([])
  })

  it('keeps files readable', () => {
    const tooLong = (file: string) => readFileSync(file, 'utf8').split('\n').length > 300
    expect(production.filter(tooLong)).toEqual([])
  })

  it('names no place that exists on one machine only', () => {
    expect(matching(/\/(home|work)\/[a-z]/, sources)).toEqual([])
  })
})
