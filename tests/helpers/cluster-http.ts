import { request } from 'node:http'
import { text } from 'node:stream/consumers'

export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  /** The body, parsed. @throws SyntaxError when it is not JSON */
  json<Shape = Record<string, unknown>>(): Shape
}

export interface Question {
  method?: string
  headers?: Record<string, string>
  /** A string goes as it is, everything else as JSON. */
  body?: unknown
  /** Several parts are sent chunked. */
  chunks?: Iterable<Buffer>
}

/** One HTTP request to the Ingress in the name of a host: `fetch` would replace the Host header. */
export async function ask(base: string, host: string, path: string, question: Question = {}): Promise<Answer> {
  const { method = question.body === undefined && !question.chunks ? 'GET' : 'POST', chunks } = question
  const body = typeof question.body === 'string' ? question.body : JSON.stringify(question.body)
  const headers: Record<string, string> = { host, ...question.headers }
  if (body !== undefined) {
    headers['content-type'] ??= 'application/json'
    headers['content-length'] = String(Buffer.byteLength(body))
  }
  return await new Promise((resolve, reject) => {
    const outgoing = request(new URL(path, base), { method, headers }, (incoming) => {
      text(incoming).then((content) => {
        const status = incoming.statusCode ?? 0
        resolve({ status, headers: incoming.headers, text: content, json: () => JSON.parse(content) })
      }, reject)
    })
    outgoing.on('error', reject)
    for (const chunk of chunks ?? []) outgoing.write(chunk)
    outgoing.end(body)
  })
}
