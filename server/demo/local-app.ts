import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { WebSocketServer } from 'ws'

/** What the demo's proxies forward to and its tunnel hosts serve: a TCP echo and a small web application on loopback. */
export interface LocalApp {
  readonly echoPort: number
  readonly webPort: number
  close(): Promise<void>
}

const MAX_MESSAGE_BYTES = 64 * 1024
const PAGE_BYTES = [500, 12_000] as const

const listen = (server: Server): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })

export const startLocalApp = async (): Promise<LocalApp> => {
  const sockets = new Set<Socket>()
  const track = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
  }
  const echo = createTcpServer((socket) => {
    track(socket)
    socket.pipe(socket)
  })

  const page = Buffer.alloc(PAGE_BYTES[1], 'tidegate ')
  const web = createHttpServer((request, response) => {
    request.resume()
    const size = PAGE_BYTES[0] + Math.floor(Math.random() * (PAGE_BYTES[1] - PAGE_BYTES[0]))
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': size })
    response.end(page.subarray(0, size))
  })
  // Longer than the proxies keep an idle connection, so that they, not we, decide.
  web.keepAliveTimeout = 120_000
  web.on('connection', track)
  const live = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
  })
  web.on('upgrade', (request, socket, head) => {
    live.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('error', () => webSocket.terminate())
      webSocket.on('message', (data, isBinary) => webSocket.send(data, { binary: isBinary }))
    })
  })

  const [echoPort, webPort] = await Promise.all([listen(echo), listen(web)])
  return {
    echoPort,
    webPort,
    async close() {
      live.close()
      const closed = [echo, web].map((server) => new Promise((resolve) => server.close(resolve)))
      for (const socket of sockets) socket.destroy()
      await Promise.all(closed)
    },
  }
}
