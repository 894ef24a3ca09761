import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { z } from 'zod'

/** The programs that try to leave, exhaust or deceive the sandbox; README.md says how a case is laid out. */
export const FILES = ['corpus.json', 'more.json'] as const

const Expectation = z.strictObject({
  statusIn: z.array(z.string()).optional(),
  stdoutIncludes: z.array(z.string()).default([]),
  stdoutExcludes: z.array(z.string()).default([]),
  maxWallMs: z.int().positive().optional(),
  /** Of the answer: other than 200 where the request itself is the attack. */
  httpIn: z.array(z.int()).default([200]),
  afterwards: z.string().optional(),
})

const Case = z.strictObject({
  id: z.string().regex(/^[a-z0-9-]+$/),
  language: z.enum(['python', 'javascript', 'bash']),
  category: z.string(),
  title: z.string(),
  why: z.string(),
  /** One string, or the lines of the program. */
  code: z.union([z.string(), z.array(z.string()).transform((lines) => lines.map((line) => `${line}\n`).join(''))]),
  stdin: z.string().optional(),
  /** Standard input is `stdin` so many times, so that a big one needs no big file. */
  stdinRepeat: z.int().positive().default(1),
  /** More fields of the request. */
  request: z.record(z.string(), z.unknown()).default({}),
  /** Sent so many times in a row: the first plants something, the next ones look for it. */
  repeat: z.int().positive().default(1),
  /** Sent so many times at once. */
  parallel: z.int().positive().default(1),
  dangerousUnconfined: z.boolean().optional(),
  expect: Expectation,
})

export type Attack = z.infer<typeof Case> & { file: string }

/** Every case, by the order of the files. @throws Error on a case that is not laid out as README.md says, or an id that two have */
export function readAttacks(folder: string = import.meta.dirname): Attack[] {
  const attacks = FILES.flatMap((file) =>
    z
      .array(Case)
      .parse(JSON.parse(readFileSync(join(folder, file), 'utf8')))
      .map((one) => ({ ...one, file })),
  )
  const twice = attacks.filter(({ id }, index) => attacks.findIndex((other) => other.id === id) !== index)
  if (twice.length > 0) throw new Error(`Two attacks have the id ${twice[0]?.id}`)
  return attacks
}

const TRAITS = ['file', 'id', 'category', 'language'] as const

/**
 * The attacks that words choose: each word is a file, an id, a category or a language. Words of one kind widen the choice, of different kinds narrow it:
 * `network process python` is what is written in Python and of either category. No words: all.
 * @throws Error on a word that is none of them, or when nothing is left
 */
export function chooseAttacks(attacks: readonly Attack[], words: readonly string[]): Attack[] {
  const wanted = new Map<string, Set<string>>()
  for (const word of words.map((one) => (one.endsWith('.json') ? basename(one) : one))) {
    const trait = TRAITS.find((name) => attacks.some((attack) => attack[name] === word))
    if (trait === undefined) throw new Error(`No attack has the file, id, category or language ${word}`)
    wanted.set(trait, (wanted.get(trait) ?? new Set()).add(word))
  }
  const chosen = attacks.filter((attack) =>
    [...wanted].every(([trait, values]) => values.has(attack[trait as (typeof TRAITS)[number]])),
  )
  if (chosen.length === 0) throw new Error(`No attack is all of this: ${words.join(' ')}`)
  return chosen
}

/** In place of an HTTP status, when there was none. */
export const NO_ANSWER = 0
const STILL_RUNS = 202

/** What came back: the HTTP status, the fields of the answer that cases look at, and the time on the caller's clock. */
export interface Answer {
  http: number
  status: string
  stdout: string
  milliseconds: number
}

/** A fault of one answer. Time is told apart: a busy machine can be the reason, so that such a case may be tried again when it is quiet. */
export interface Fault {
  kind: 'barrier' | 'time'
  text: string
}

/** What is wrong with an answer, by what the case expects; empty when the barrier held. What says that it escaped is never a matter of time. Pure. */
export function faultsOf({ expect }: Pick<Attack, 'expect'>, answer: Answer): Fault[] {
  const { statusIn, stdoutIncludes, stdoutExcludes, httpIn, maxWallMs = Number.POSITIVE_INFINITY } = expect
  const { http, status, stdout, milliseconds } = answer
  const escaped = stdoutExcludes.filter((part) => stdout.includes(part)).map((part) => stdout.slice(stdout.indexOf(part)).slice(0, 300))
  const others = [
    ...(httpIn.includes(http) ? [] : [`HTTP ${http}`]),
    ...(statusIn && !statusIn.includes(status) ? [`status ${status}`] : []),
    ...stdoutIncludes.filter((part) => !stdout.includes(part)).map((part) => `lacks ${JSON.stringify(part.slice(0, 40))}`),
  ]
  const late = escaped.length === 0 && (status === 'timed_out' || http === NO_ANSWER || http === STILL_RUNS)
  const faults: Fault[] = [
    ...escaped.map((text) => ({ kind: 'barrier' as const, text })),
    ...others.map((text) => ({ kind: late ? ('time' as const) : ('barrier' as const), text })),
  ]
  return milliseconds > maxWallMs ? [...faults, { kind: 'time', text: `took ${milliseconds} ms` }] : faults
}
