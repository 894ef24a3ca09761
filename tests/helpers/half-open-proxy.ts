import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Stands in front of a TCP port and breaks the wire on purpose. A stalled connection stays open and says nothing, as when a node vanishes or a firewall drops
 * packets: new connections are accepted then, and hear nothing either.
 */
export interface HalfOpenProxy extends AsyncDisposable {
  readonly port: number
  /** Connections that are open now. */
  readonly connections: number
  /** Passes everything on, also what was held back. */
  pass(): void
  /** Passes nothing on; or only nothing of what the target says, so that it hears but is not heard. */
  stall(what?: 'all' | 'answers'): void
  /** Passes every chunk on so much later. */
  delay(milliseconds: number): void
  /** Breaks all connections (RST). New ones are possible. */
  reset(): void
}

export async function startHalfOpenProxy(targetPort: number, targetHost = '127.0.0.1'): Promise<HalfOpenProxy> {
  const sockets = new Set<Socket>()
  let delayMs = 0
  let stalled: 'nothing' | 'all' | 'answers' = 'nothing'
  let gate = Promise.withResolvers<void>()
  const open = () => {
    stalled = 'nothing'
    gate.resolve()
  }
  const forward = async (from: Socket, to: Socket, isAnswer: boolean) => {
    try {
      for await (const chunk of from) {
        if (delayMs > 0) await sleep(delayMs)
        if (stalled === 'all' || (stalled === 'answers' && isAnswer)) await gate.promise
        to.write(chunk)
      }
      to.end()
    } catch {
      // The other half sees the same break.
    }
  }
  const server = createServer({ noDelay: true }, (client) => {
    const target = connect({ port: targetPort, host: targetHost, noDelay: true })
    for (const [socket, other] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      void forward(socket, other, socket === target)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const reset = () => {
    for (const socket of sockets) socket.resetAndDestroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return sockets.size / 2
    },
    pass: () => {
      delayMs = 0
      open()
    },
    stall: (what = 'all') => {
      stalled = what
      gate = Promise.withResolvers<void>()
    },
    delay: (milliseconds) => {
      delayMs = milliseconds
    },
    reset,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      reset()
      open()
      await closed
    },
  }
}
