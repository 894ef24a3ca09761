import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { BY_HAND } from './by-hand.ts'
import { send, untilAnswers } from './http.ts'

const CPU_LIMIT_NS = 10_000_000_000
const MEMORY_LIMIT_BYTES = 512 * 1024 * 1024

export interface GoJudge extends AsyncDisposable {
  /** Runs the one-line program and checks its answer: milliseconds. */
  time(language: keyof typeof BY_HAND): Promise<number>
}

/** Starts the go-judge whose binary the environment variable GO_JUDGE names, as root; undefined when it names none. */
export async function startGoJudge(port: number): Promise<GoJudge | undefined> {
  const binary = process.env.GO_JUDGE
  if (binary === undefined) return undefined
  const base = `http://127.0.0.1:${port}`
  const child = spawn(binary, ['-http-addr', `127.0.0.1:${port}`, '-silent'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  await untilAnswers(`${base}/version`)
  return {
    async time(language) {
      const { file, args } = BY_HAND[language]
      const files = [{ content: '' }, { name: 'stdout', max: 1000 }, { name: 'stderr', max: 1000 }]
      const limits = { cpuLimit: CPU_LIMIT_NS, memoryLimit: MEMORY_LIMIT_BYTES, procLimit: 64 }
      const command = { args: [file, ...args], env: ['PATH=/usr/bin:/bin'], files, ...limits }
      const start = performance.now()
      const { body } = await send(`${base}/run`, 'POST', { cmd: [command] })
      const took = performance.now() - start
      if (!body.includes('"Accepted"')) throw new Error(`go-judge answered ${body.slice(0, 300)}`)
      return took
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      if (child.exitCode === null) await once(child, 'exit')
    },
  }
}
