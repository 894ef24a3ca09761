import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer, Question } from '../../helpers/cluster-http.ts'

/** One request to any of the API's replicas, or to the one of that number. */
export type Ask = (path: string, question?: Question, replica?: number) => Promise<Answer>

export interface Final {
  id: string
  status: string
  stdout: string
}

/** Says its number and a word of its own choice, waits, says the word again: a result that is a mixture of two starts shows. */
function program(number: number, seconds: number): { language: string; code: string } {
  const code = `import os, time\nword = os.urandom(8).hex()\nprint(${number}, word, flush=True)\ntime.sleep(${seconds})\nprint(word)`
  return { language: 'python', code }
}

const EXPECTED = /^(\d+) ([0-9a-f]{16})\n\2\n$/

/** Whether this is what one start of the program of this number prints, from its beginning to its end. */
export function isWhole(stdout: string, number: number): boolean {
  return EXPECTED.exec(stdout)?.[1] === String(number)
}

export interface LoadOptions {
  ask: Ask
  /** Executions that are scheduled before the fault. */
  scheduled: number
  /** How long each program sleeps. */
  seconds: number
}

const CALLERS = 2
const AT_ONCE = 8

/** People who use Runlet: some schedule, some wait for runs, one after the other, until `stop`. */
export class Load {
  readonly #options: LoadOptions
  readonly #stopped = new AbortController()
  #number = 0
  #callers: Promise<unknown> = Promise.resolve()
  /** Id to the program's number, of all that was accepted. */
  readonly accepted = new Map<string, number>()
  readonly finals = new Map<string, Final>()
  refused = 0
  answered = 0
  longestRunMs = 0

  constructor(options: LoadOptions) {
    this.#options = options
  }

  /** Resolves when all is scheduled; the callers of runs go on. */
  async start(): Promise<void> {
    this.#callers = Promise.all(Array.from({ length: CALLERS }, () => this.#call()))
    await this.schedule(this.#options.scheduled)
  }

  /** So many more, whatever becomes of them. */
  async schedule(count: number): Promise<void> {
    let left = count
    const work = async () => {
      while (left-- > 0) await this.#scheduleOne()
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#callers
  }

  /** Waits for the result of everything that was accepted; those that have none when the time is over. */
  async settle(timeoutMs: number): Promise<string[]> {
    const end = performance.now() + timeoutMs
    const left = [...this.accepted.keys()].filter((id) => !this.finals.has(id))
    const missing: string[] = []
    const work = async () => {
      for (let id = left.shift(); id !== undefined; id = left.shift())
        if (!(await this.#finish(id, end))) missing.push(id)
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
    return missing
  }

  /** Reads every result again, from each replica: the ids whose result is another one now. */
  async changed(replicas: number): Promise<string[]> {
    const changed = new Set<string>()
    for (const [id, first] of this.finals)
      for (let replica = 0; replica < replicas; replica++) {
        const again = await this.#read(id, 0, replica)
        if (JSON.stringify(again) !== JSON.stringify(first)) changed.add(id)
      }
    return [...changed]
  }

  async #scheduleOne(): Promise<void> {
    const number = this.#number++
    const body = program(number, this.#options.seconds)
    const answer = await this.#options.ask('/api/schedule', { body }).catch(() => undefined)
    if (answer?.status === 202) this.accepted.set(answer.json<Final>().id, number)
    else this.#refuse(answer)
  }

  async #call(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      const number = this.#number++
      const body = program(number, 0.1)
      const start = performance.now()
      const answer = await this.#options.ask('/api/run/', { body }).catch(() => undefined)
      this.longestRunMs = Math.max(this.longestRunMs, performance.now() - start)
      if (answer?.status === 202) this.accepted.set(answer.json<Final>().id, number)
      else if (answer?.status === 200) this.#take(answer.json<Final>(), number)
      else this.#refuse(answer)
      // Callers that get all the runners would leave nothing for what is scheduled.
      await sleep(1500, undefined, { signal: this.#stopped.signal }).catch(() => {})
    }
  }

  #take({ status, stdout }: Final, number: number): void {
    if (status !== 'succeeded' || !isWhole(stdout, number))
      throw new Error(`A run answered with ${status} and ${JSON.stringify(stdout)}`)
    this.answered++
  }

  /** Trouble is said to be ours, and temporary. */
  #refuse(answer: Answer | undefined): void {
    if (answer !== undefined && (answer.status < 502 || answer.status > 504))
      throw new Error(`Refused with ${answer.status}: ${answer.text}`)
    this.refused++
  }

  async #finish(id: string, end: number): Promise<boolean> {
    while (performance.now() < end) {
      const found = await this.#read(id, 10).catch(() => undefined)
      if (found && found.status !== 'queued' && found.status !== 'running') {
        this.finals.set(id, found)
        return true
      }
      if (!found) await sleep(300)
    }
    return false
  }

  async #read(id: string, wait: number, replica?: number): Promise<Final | undefined> {
    const answer = await this.#options.ask(`/api/schedule/check/${id}?wait=${wait}`, {}, replica)
    if (answer.status === 404 || answer.status === 410) throw new Error(`${id} is not known: ${answer.text}`)
    return answer.status === 200 ? answer.json<Final>() : undefined
  }
}
