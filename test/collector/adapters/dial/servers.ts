import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'

/** Servers on free ports, all of which are closed at once. */
export class Servers {
  readonly #closers: (() => Promise<void>)[] = []

  /** Any server; answers its port. */
  async listen(server: Server, host = '127.0.0.1'): Promise<number> {
    const sockets = new Set<Socket>()
    server.on('connection', (socket) => {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => sockets.delete(socket))
    })
    server.listen(0, host)
    await once(server, 'listening')
    this.#closers.push(async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    })
    return (server.address() as AddressInfo).port
  }

  http(take: RequestListener): Promise<number> {
    return this.listen(createHttpServer(take))
  }

  https(options: TlsOptions, take: RequestListener): Promise<number> {
    const server = createHttpsServer(options, take)
    server.on('tlsClientError', () => undefined)
    return this.listen(server)
  }

  tls(options: TlsOptions): Promise<number> {
    const server = createTlsServer(options, (socket) => socket.on('error', () => socket.destroy()))
    server.on('tlsClientError', () => undefined)
    return this.listen(server)
  }

  /** Says this to whoever connects, and leaves the rest to the other side. */
  saying(text: string): Promise<number> {
    return this.listen(createServer((socket) => socket.write(text)))
  }

  /** Takes the connection, and says nothing, ever. */
  silent(): Promise<number> {
    return this.listen(createServer(() => undefined))
  }

  /** A port at which nobody listens. */
  async nobody(): Promise<number> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    return port
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close()
  }
}
