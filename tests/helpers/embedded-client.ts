export interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: JSON of a server under test, looked at with matchers
  body: any
}

/** A Runlet as its callers see it. */
export function client(url: string) {
  const send = async (path: string, body?: unknown): Promise<Answer> => {
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(
      url + path,
      body === undefined ? {} : { method: 'POST', headers, body: JSON.stringify(body) },
    )
    return { status: answer.status, headers: answer.headers, body: await answer.json() }
  }
  return {
    send,
    run: (language: string, code: string, more: object = {}) => send('/api/run/', { language, code, ...more }),
    schedule: (language: string, code: string, more: object = {}) => send('/api/schedule', { language, code, ...more }),
    check: (id: string, wait = 0) => send(`/api/schedule/check/${id}?wait=${wait}`),
  }
}
