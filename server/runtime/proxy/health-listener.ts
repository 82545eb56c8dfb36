import { createServer, type Server } from 'node:http'
import { boundConnections } from '../listen/connection-room.ts'
import { listen } from '../listen/listen.ts'
import type { Readiness } from '../part/part.ts'

const MAX_CONNECTIONS = 1_000

/**
 * A public listener that answers health by itself, so that balancers see readiness. It answers until the proxy is closed, also
 * during a drain. Paths that end in `live` are 200 while the process can answer at all.
 */
export class HealthListener {
  readonly host: string
  port: number
  readonly #paths: Set<string>
  readonly #readiness: () => Readiness
  #server: Server | null = null

  constructor(host: string, port: number, paths: string[], readiness: () => Readiness) {
    this.host = host
    this.port = port
    this.#paths = new Set(paths)
    this.#readiness = readiness
  }

  get bound(): boolean {
    return this.#server !== null
  }

  /** Throws ERR_PORT_TAKEN. */
  async bind(): Promise<void> {
    if (this.#server) return
    const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000, keepAliveTimeout: 5_000 })
    boundConnections(server, MAX_CONNECTIONS)
    server.on('request', (request, response) => {
      request.resume()
      const path = (request.url ?? '/').split('?', 1)[0]!
      const [status, body] = this.#answer(request.method ?? '', path)
      const text = JSON.stringify(body)
      response.writeHead(status, {
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(text),
        'Cache-Control': 'no-store',
        ...(status === 405 ? { Allow: 'GET, HEAD' } : {}),
      })
      response.end(request.method === 'HEAD' ? undefined : text)
    })
    server.on('clientError', (_error, socket) => socket.destroy())
    this.port = await listen(server, this.host, this.port)
    // One connection that could not be accepted is no reason to stop answering the others.
    server.on('error', () => undefined)
    this.#server = server
  }

  #answer(method: string, path: string): [number, Record<string, unknown>] {
    if (!this.#paths.has(path)) {
      return [
        404,
        { error: { code: 'ERR_NOT_FOUND', message: 'This listener answers health alone', facts: {} } },
      ]
    }
    if (method !== 'GET' && method !== 'HEAD') {
      return [405, { error: { code: 'ERR_METHOD', message: 'Health is read with GET', facts: { method } } }]
    }
    if (path.endsWith('live')) return [200, { live: true }]
    const readiness = this.#readiness()
    return readiness.ready ? [200, { ready: true }] : [503, { ready: false, reason: readiness.reason }]
  }

  close(): void {
    this.#server?.close()
    this.#server?.closeAllConnections()
    this.#server = null
  }
}
