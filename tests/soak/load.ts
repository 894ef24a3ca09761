import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer, Question } from '../helpers/cluster-http.ts'

export type Ask = (path: string, question?: Question) => Promise<Answer>

export interface LoadOptions {
  ask: Ask
  count: number
  /** Executions at a time. */
  atOnce: number
}

/** What became of a part of the load. */
export interface Part {
  seconds: number
  /** Answers 429 and 503: the same execution is asked for again, as the answer says. */
  refused: number
}

/** One in so many is a run, the others are scheduled and checked. */
const RUN_EVERY = 5
const CHECK_SECONDS = 10
const REFUSED_MS = 500
/** Until its end, waits and refusals included. */
const PATIENCE_MS = 300_000

/** @throws Error at the first execution that has not exactly the result that its program gives */
export async function execute({ ask, count, atOnce }: LoadOptions): Promise<Part> {
  const begin = performance.now()
  let next = 0
  let refused = 0
  const insist = async (path: string, question: Question): Promise<Answer> => {
    for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await sleep(REFUSED_MS)) {
      const answer = await ask(path, question)
      if (answer.status !== 429 && answer.status !== 503) return answer
      refused++
    }
    throw new Error(`${path} was refused for ${PATIENCE_MS} ms`)
  }
  const work = async () => {
    for (let number = next++; number < count; number = next++) {
      const path = number % RUN_EVERY === 0 ? '/api/run/' : '/api/schedule'
      const first = await insist(path, { body: { language: 'python', code: `print(${number})` } })
      check(number, await untilFinal(ask, first))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return { seconds: (performance.now() - begin) / 1000, refused }
}

interface Seen {
  id: string
  status: string
  stdout?: string
}

async function untilFinal(ask: Ask, first: Answer): Promise<Answer> {
  let answer = first
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end; ) {
    const { id, status } = answer.json<Seen>()
    if (answer.status >= 300 || (status !== 'queued' && status !== 'running')) return answer
    answer = await ask(`/api/schedule/check/${id}?wait=${CHECK_SECONDS}`)
  }
  throw new Error(`An execution has not ended: ${first.text}`)
}

function check(number: number, answer: Answer): void {
  const { status, stdout } = answer.json<Seen>()
  if (answer.status !== 200 || status !== 'succeeded' || stdout !== `${number}\n`)
    throw new Error(`Number ${number} ended with ${answer.status}: ${answer.text}`)
}
