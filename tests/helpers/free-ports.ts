import { type AddressInfo, createServer } from 'node:net'

/** Three ports of 127.0.0.1 that nobody had a moment ago. */
export async function freePorts(): Promise<[number, number, number]> {
  const servers = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  const [a, b, c] = servers.map((server) => (server.address() as AddressInfo).port)
  for (const server of servers) await new Promise((resolve) => server.close(resolve))
  return [a ?? 0, b ?? 0, c ?? 0]
}
