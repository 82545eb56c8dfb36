import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** Some other program: it takes connections, counts them, and says so as JSON at another port. */
export interface Gateway {
  /** Where it says how it is. */
  readonly url: string
  readonly open: number
  readonly accepted: number
  ok: boolean
  /** A visitor's connection that stays open until it is ended. Rejects where nothing listens. */
  visit(): Promise<Socket>
  /** Visitors come and go, so many milliseconds apart, whether anybody takes them or not. */
  keepComing(everyMs: number): void
  stopComing(): void
  /** Takes no new connections, as a load balancer that was told to leave it out. */
  leave(): void
  comeBack(): Promise<void>
  close(): Promise<void>
}

const listening = async (server: Server, port = 0): Promise<number> => {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

export const startGateway = async (): Promise<Gateway> => {
  const open = new Set<Socket>()
  const visitors = new Set<Socket>()
  let accepted = 0
  const take = (socket: Socket): void => {
    accepted += 1
    open.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => open.delete(socket))
    socket.resume()
  }
  let entrance = createServer(take)
  const port = await listening(entrance)
  const status = createHttpServer((_request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ ok: gateway.ok, open: open.size, accepted }))
  })
  const statusPort = await listening(status)
  let coming: NodeJS.Timeout | null = null
  const visit = async (): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1')
    visitors.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => visitors.delete(socket))
    await once(socket, 'connect')
    return socket
  }
  const stopComing = (): void => {
    if (coming !== null) clearInterval(coming)
    coming = null
  }
  const gateway: Gateway = {
    url: `http://127.0.0.1:${statusPort}/status`,
    get open() {
      return open.size
    },
    get accepted() {
      return accepted
    },
    ok: true,
    visit,
    keepComing(everyMs) {
      coming = setInterval(() => {
        visit().then(
          (socket) => socket.end(),
          () => undefined,
        )
      }, everyMs)
    },
    stopComing,
    leave: () => void entrance.close(),
    async comeBack() {
      if (entrance.listening) return
      entrance = createServer(take)
      await listening(entrance, port)
    },
    async close() {
      stopComing()
      for (const socket of [...open, ...visitors]) socket.destroy()
      entrance.close()
      status.closeAllConnections()
      status.close()
      await once(status, 'close')
    },
  }
  return gateway
}
