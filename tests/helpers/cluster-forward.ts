import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** A port of 127.0.0.1 that leads to one of a pod. Disposing closes it. */
export interface Forward extends AsyncDisposable {
  readonly port: number
}

/** @throws Error with what kubectl said */
export async function forwardTo(namespace: string, target: string, port: number): Promise<Forward> {
  const child = spawn('kubectl', ['-n', namespace, 'port-forward', target, `:${port}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exit = once(child, 'exit')
  let said = ''
  const opened = new Promise<number>((resolve) => {
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text
        const [, found] = /127\.0\.0\.1:(\d+) ->/.exec(said) ?? []
        if (found !== undefined) resolve(Number(found))
      })
  })
  const ended = exit.then(() => Promise.reject(new Error(`kubectl port-forward ended: ${said}`)))
  const local = await Promise.race([opened, ended])
  ended.catch(() => undefined)
  return {
    port: local,
    async [Symbol.asyncDispose]() {
      child.kill()
      await exit
    },
  }
}
