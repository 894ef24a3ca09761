import type { Answer, Question } from './cluster-http.ts'

export interface Execution {
  id: string
  status: string
  stdout: string
  stderr: string
  exitCode: number | null
  signal: string | null
  wallTimeMs: number
  cpuTimeMs: number
  memoryBytes: number
  truncated: boolean
  language?: string
  languageVersion?: string | null
}

export type Program = { language: string; code: string } & Record<string, unknown>

type Ask = (path: string, question?: Question) => Promise<Answer>

/** The HTTP interface as its users see it. */
export class Client {
  readonly #ask: Ask

  constructor(ask: Ask) {
    this.#ask = ask
  }

  /** POST /api/run/, and waits on where the answer is 202. @throws Error on any other answer */
  async run(program: Program): Promise<Execution> {
    const answer = await this.#ask('/api/run/', { body: program })
    if (answer.status === 200) return answer.json<Execution>()
    return await this.finish(expectStatus(answer, 202).json<Execution>().id)
  }

  /** POST /api/schedule. @throws Error when it is not taken */
  async schedule(program: Program): Promise<string> {
    const answer = await this.#ask('/api/schedule', { body: program })
    return expectStatus(answer, 202).json<Execution>().id
  }

  /** How it stands. */
  async check(id: string, waitSeconds = 0): Promise<Execution> {
    const answer = await this.#ask(`/api/schedule/check/${id}?wait=${waitSeconds}`)
    return expectStatus(answer, 200).json<Execution>()
  }

  /** Its result, waited for. */
  async finish(id: string, timeoutMs = 120_000): Promise<Execution> {
    const end = performance.now() + timeoutMs
    while (performance.now() < end) {
      const found = await this.check(id, 20)
      if (found.status !== 'queued' && found.status !== 'running') return found
    }
    throw new Error(`The execution ${id} has no result after ${timeoutMs / 1000} s`)
  }
}

function expectStatus(answer: Answer, status: number): Answer {
  if (answer.status === status) return answer
  throw new Error(`The answer is ${answer.status} instead of ${status}: ${answer.text}`)
}
