import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, type Attack, type Fault, faultsOf, NO_ANSWER } from './attack.ts'

/** What is looked at of an answer. */
export interface AnswerBody {
  status?: string
  stdout?: string
  stdoutEncoding?: BufferEncoding
}

/** A Runlet under attack. */
export interface Target {
  name: string
  /** POST /api/run/. */
  post(body: object): Promise<{ status: number; body: AnswerBody }>
  /** Attacks at the same time. */
  atOnce: number
}

export interface Outcome {
  id: string
  faults: Fault[]
  /** What the answers said, for the table: `succeeded`, or several. */
  statuses: string
  /** The longest answer. */
  milliseconds: number
}

const PLAIN = { python: 'print(1)', javascript: 'console.log(1)', bash: 'echo 1' }

/**
 * Sends every attack, several at once, the long ones first so that the last one does not make all others wait. What was only late is sent again, alone:
 * `maxWallMs` counts the waiting behind other attacks.
 */
export async function besiege(
  target: Target,
  attacks: readonly Attack[],
  onOutcome: (outcome: Outcome) => void,
): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>()
  const keep = (outcome: Outcome) => {
    outcomes.set(outcome.id, outcome)
    onOutcome(outcome)
  }
  const line = attacks.toSorted((one, other) => (other.expect.maxWallMs ?? 0) - (one.expect.maxWallMs ?? 0))
  const worker = async () => {
    for (let next = line.shift(); next; next = line.shift()) keep(await attackOnce(target, next))
  }
  await Promise.all(Array.from({ length: target.atOnce }, worker))
  for (const attack of attacks) {
    const faults = outcomes.get(attack.id)?.faults ?? []
    if (faults.length > 0 && faults.every(({ kind }) => kind === 'time')) keep(await attackOnce(target, attack))
  }
  return outcomes
}

async function attackOnce(target: Target, attack: Attack): Promise<Outcome> {
  const { language, code, stdin, stdinRepeat, request, parallel, repeat } = attack
  const body = { ...request, language, code, ...(stdin !== undefined && { stdin: stdin.repeat(stdinRepeat) }) }
  const answers = await Promise.all(Array.from({ length: parallel }, () => send(target, body)))
  for (let count = 1; count < repeat; count++) answers.push(await send(target, body))
  const faults = answers.flatMap((answer) => faultsOf(attack, answer))
  if (attack.expect.afterwards !== undefined) {
    const { status } = await send(target, { language, code: PLAIN[language] })
    if (status !== 'succeeded') faults.push({ kind: 'barrier', text: `afterwards a plain program ends with ${status}` })
  }
  return {
    id: attack.id,
    faults,
    statuses: [...new Set(answers.map(({ status }) => status))].join(', '),
    milliseconds: Math.max(...answers.map(({ milliseconds }) => milliseconds)),
  }
}

/** Never throws: no answer is an answer that no case expects. A queue that is full for a moment (503) is asked again, its time counts. */
async function send(target: Target, body: object): Promise<Answer> {
  const began = performance.now()
  const took = () => Math.round(performance.now() - began)
  for (let attempt = 1; ; attempt++) {
    try {
      const { status: http, body: answer } = await target.post(body)
      if (http === 503 && attempt < 5) await sleep(1000)
      else return { http, status: String(answer.status), stdout: decoded(answer), milliseconds: took() }
    } catch (error) {
      return { http: NO_ANSWER, status: `no answer: ${error}`, stdout: '', milliseconds: took() }
    }
  }
}

/** Bytes that are no UTF-8 travel as base64; cases look at the text. */
function decoded({ stdout = '', stdoutEncoding = 'utf8' }: AnswerBody): string {
  return Buffer.from(stdout, stdoutEncoding).toString()
}
