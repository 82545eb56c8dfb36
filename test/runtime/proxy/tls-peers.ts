import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import tls, { type TLSSocket } from 'node:tls'
import { onTestFinished } from 'vitest'
import { type Certificate, issue, makeAuthority } from '../../collector/adapters/certificates.ts'

let known: Promise<Certificate> | null = null
/** One authority for all tests of a file: it takes a moment to make. */
export const authority = (): Promise<Certificate> => {
  known ??= makeAuthority('Test authority')
  return known
}

/** A certificate of that authority; without names for 127.0.0.1. */
export const certificateFor = async (...names: string[]): Promise<Certificate> =>
  await issue(await authority(), names.length > 0 ? { names } : {})

export interface TlsTarget {
  port: number
  sockets: TLSSocket[]
  /** TCP connections, of whatever became of their handshakes. */
  dialled: () => number
}

/** A target that speaks TLS. */
export const tlsTarget = async (
  certificate: Certificate,
  handle: (socket: TLSSocket) => void = (socket) => socket.pipe(socket),
  options: tls.TlsOptions = {},
): Promise<TlsTarget> => {
  const sockets: TLSSocket[] = []
  let dialled = 0
  const server = tls.createServer({ ...certificate, ...options }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    handle(socket)
  })
  server.on('connection', () => {
    dialled += 1
  })
  server.on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, sockets, dialled: () => dialled }
}

/** `connect` takes it, though its types do not say so. */
const HALF_OPEN = { allowHalfOpen: true }

/** A client that speaks TLS to a port of 127.0.0.1, and keeps what it hears. */
export class TlsClient {
  readonly socket: TLSSocket
  readonly #chunks: Buffer[] = []
  secure = false
  ended = false
  closed = false
  error: NodeJS.ErrnoException | null = null

  constructor(port: number, options: tls.ConnectionOptions) {
    this.socket = tls.connect({ host: '127.0.0.1', port, ...HALF_OPEN, ...options })
    this.socket.on('secureConnect', () => {
      this.secure = true
    })
    this.socket.on('data', (chunk: Buffer) => this.#chunks.push(chunk))
    this.socket.on('end', () => {
      this.ended = true
    })
    this.socket.on('close', () => {
      this.closed = true
    })
    this.socket.on('error', (error) => {
      this.error = error
    })
    onTestFinished(() => {
      this.socket.destroy()
    })
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  get text(): string {
    return this.bytes.toString('latin1')
  }
}

/** What a client sends first. */
export const helloBytes = async (options: tls.ConnectionOptions): Promise<Buffer> => {
  const server = net.createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = tls.connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, ...options })
  client.on('error', () => undefined)
  const [socket] = (await once(server, 'connection')) as [net.Socket]
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  client.destroy()
  socket.destroy()
  server.close()
  return bytes
}
