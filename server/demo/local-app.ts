import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { WebSocketServer } from 'ws'

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

/** What the demo's proxies forward to and its tunnel hosts serve: a TCP echo and a small web application on loopback. */
export class LocalApp {
  readonly #page = Buffer.alloc(PAGE_BYTES[1], 'tidegate ')
  readonly #sockets = new Set<Socket>()
  readonly #echo = createTcpServer((socket) => {
    this.#track(socket)
    socket.pipe(socket)
  })
  readonly #web = createHttpServer((request, response) => this.#answer(request, response))
  readonly #live = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
  })
  #echoPort = 0
  #webPort = 0

  private constructor() {
    // Longer than the proxies keep an idle connection, so that they, not we, decide.
    this.#web.keepAliveTimeout = 120_000
    this.#web.on('connection', (socket) => this.#track(socket))
    this.#web.on('upgrade', (request, socket, head) => {
      this.#live.handleUpgrade(request, socket, head, (webSocket) => {
        webSocket.on('error', () => webSocket.terminate())
        webSocket.on('message', (data, isBinary) => webSocket.send(data, { binary: isBinary }))
      })
    })
  }

  /** Listens on two free ports. */
  static async start(): Promise<LocalApp> {
    const app = new LocalApp()
    const ports = await Promise.all([listen(app.#echo), listen(app.#web)])
    app.#echoPort = ports[0]
    app.#webPort = ports[1]
    return app
  }

  get echoPort(): number {
    return this.#echoPort
  }

  get webPort(): number {
    return this.#webPort
  }

  async close(): Promise<void> {
    this.#live.close()
    const closed = [this.#echo, this.#web].map((server) => new Promise((resolve) => server.close(resolve)))
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(closed)
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#sockets.delete(socket))
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    request.resume()
    const size = PAGE_BYTES[0] + Math.floor(Math.random() * (PAGE_BYTES[1] - PAGE_BYTES[0]))
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': size })
    response.end(this.#page.subarray(0, size))
  }
}
