import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { Encoding, FinalStatus } from '../../core/execution.ts'

/** The corpus of tests/programs; its README says how a program is laid out. */
const ROOT = join(import.meta.dirname, '..', 'programs')

const Sidecar = z.strictObject({
  stdin: z.string().default(''),
  /** Standard input is `stdin` this many times, so that big inputs need no big files. */
  stdinRepeat: z.int().positive().default(1),
  args: z.array(z.string()).default([]),
  env: z.record(z.string(), z.string()).default({}),
  files: z.array(z.object({ name: z.string(), content: z.string(), encoding: Encoding.default('utf8') })).default([]),
  /** Instead of the limits that are common to all programs. */
  limits: z.record(z.string(), z.int().positive()).default({}),
  expect: z
    .strictObject({ status: FinalStatus, stdout: z.string().optional(), signal: z.string().optional() })
    .optional(),
})

export interface TestProgram extends Omit<z.infer<typeof Sidecar>, 'stdinRepeat'> {
  name: string
  /** Its folder in tests/programs, which is also the language's name. */
  language: string
  code: string
}

/** Programs of one language to compare, or with `limits` those that misbehave. */
export function readPrograms(language: string, kind: 'compare' | 'limits'): TestProgram[] {
  const folder = join(ROOT, language, kind === 'limits' ? 'limits' : '')
  return globSync('*.{py,js,sh}', { cwd: folder })
    .sort()
    .map((file) => readProgram(language, join(folder, file)))
}

function readProgram(language: string, path: string): TestProgram {
  const name = basename(path).replace(/\.\w+$/, '')
  const { stdinRepeat, ...sidecar } = Sidecar.parse(readSidecar(path.replace(/\.\w+$/, '.json')))
  return { ...sidecar, name, language, code: readFileSync(path, 'utf8'), stdin: sidecar.stdin.repeat(stdinRepeat) }
}

function readSidecar(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return {}
    throw thrown
  }
}
