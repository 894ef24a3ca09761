import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

const agent = new Agent({ keepAlive: true, maxSockets: 256 })

export interface Answer {
  status: number
  body: string
  headers: Record<string, string | string[] | undefined>
}

/** One request on a kept-alive connection. Load goes to this machine only, so anything but loopback is refused. */
export function send(url: string, method: 'GET' | 'POST', body?: unknown): Promise<Answer> {
  const target = new URL(url)
  if (!['127.0.0.1', 'localhost', '[::1]'].includes(target.hostname))
    throw new Error('The benchmark talks to 127.0.0.1 only')
  const text = body === undefined ? undefined : JSON.stringify(body)
  const headers =
    text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
  return new Promise((resolve, reject) => {
    const outgoing = request(target, { method, agent, headers }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('end', () =>
        resolve({
          status: incoming.statusCode ?? 0,
          body: Buffer.concat(chunks).toString(),
          headers: incoming.headers,
        }),
      )
      incoming.on('error', reject)
    })
    outgoing.on('error', reject)
    outgoing.end(text)
  })
}

/** Waits until something that was started answers here with 200. @throws Error after 30 s */
export async function untilAnswers(url: string): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    const answer = await send(url, 'GET').catch(() => undefined)
    if (answer?.status === 200) return
    await sleep(100)
  }
  throw new Error(`${url} did not answer within 30 s`)
}

export const PROGRAMS: Record<'python' | 'javascript', { language: string; code: string }> = {
  python: { language: 'python', code: 'print(1)' },
  javascript: { language: 'javascript', code: 'console.log(1)' },
}

/** Runs the one-line program and checks its answer: milliseconds. */
export async function timeRun(base: string, language: 'python' | 'javascript'): Promise<number> {
  const start = performance.now()
  const { status, body } = await send(`${base}/api/run/`, 'POST', PROGRAMS[language])
  const took = performance.now() - start
  const { stdout } = JSON.parse(body) as { stdout?: string }
  if (status !== 200 || stdout !== '1\n') throw new Error(`A run answered ${status}: ${body.slice(0, 300)}`)
  return took
}

/** Calls `task` from `parallel` callers until `total` are done: every time, and how many a second. */
export async function timeParallel(
  parallel: number,
  total: number,
  task: () => Promise<number>,
): Promise<{ times: number[]; perSecond: number }> {
  const times: number[] = []
  let left = total
  const start = performance.now()
  const caller = async () => {
    while (left-- > 0) times.push(await task())
  }
  await Promise.all(Array.from({ length: parallel }, caller))
  return { times, perSecond: (total * 1000) / (performance.now() - start) }
}

/** Requests a second that `GET check` of a finished execution answers, from 32 callers, after as many that a server which has just started learns from. */
export async function rateOfCheck(base: string, total: number): Promise<{ times: number[]; perSecond: number }> {
  const scheduled = JSON.parse((await send(`${base}/api/schedule`, 'POST', PROGRAMS.python)).body) as { id: string }
  const url = `${base}/api/schedule/check/${scheduled.id}`
  const finished = await send(`${url}?wait=60`, 'GET')
  if (!finished.body.includes('succeeded'))
    throw new Error(`The execution to check did not finish: ${finished.body.slice(0, 300)}`)
  const check = async () => {
    const start = performance.now()
    const { status } = await send(url, 'GET')
    if (status !== 200) throw new Error(`check answered ${status}`)
    return performance.now() - start
  }
  await timeParallel(32, total, check)
  return timeParallel(32, total, check)
}

/** One sample of a Prometheus text, summed over its labels. */
export function sample(text: string, name: string): number {
  const lines = text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}
