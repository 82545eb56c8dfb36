import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { AppError } from '../../../server/contract/errors.ts'
import type { Readiness, ServingPart } from '../../../server/runtime/part/part.ts'

export interface WebPart extends ServingPart {
  readonly url: string
  readonly readiness: Readiness
  /** Requests to `/held` that wait for `release`. */
  readonly held: ServerResponse[]
  release(): void
  readonly calls: string[]
}

/** A small real serving part: one HTTP server; `/held` answers when the test says so, everything else at once. */
export const createWebPart = (): WebPart => {
  let server: Server | null = null
  let port = 0
  let readiness: Readiness = { ready: true }
  let requests = 0
  const held: ServerResponse[] = []
  const sockets = new Set<Socket>()
  const waiters = new Set<() => void>()
  const calls: string[] = []

  const settle = () => {
    if (requests === 0) for (const waiter of [...waiters]) waiter()
  }

  const listen = async () => {
    const next = createServer((request, response) => {
      requests += 1
      response.on('close', () => {
        requests -= 1
        settle()
      })
      if (request.url === '/held') held.push(response)
      else response.writeHead(readiness.ready ? 200 : 503).end('served')
    })
    next.on('connection', (socket) => {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => sockets.delete(socket))
    })
    await new Promise<void>((resolve, reject) => {
      next.once('error', (error) => reject(new AppError('ERR_PORT_TAKEN', error.message, { port })))
      next.listen(port, '127.0.0.1', resolve)
    })
    port = (next.address() as AddressInfo).port
    server = next
  }
  const unbind = () => {
    server?.close()
    server?.closeIdleConnections()
    server = null
  }

  return {
    get url() {
      return `http://127.0.0.1:${port}`
    },
    get readiness() {
      return readiness
    },
    held,
    calls,
    release() {
      for (const response of held.splice(0)) response.end('finished')
    },
    start: listen,
    listeners: () => (server === null ? [] : [{ part: 'proxy', host: '127.0.0.1', port }]),
    setReadiness(next) {
      readiness = next
    },
    async stopAccepting() {
      calls.push('stopAccepting')
      unbind()
    },
    inFlight: () => ({ connections: 0, requests }),
    whenIdle(signal) {
      if (requests === 0 || signal.aborted) return Promise.resolve()
      return new Promise((resolve) => {
        waiters.add(resolve)
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    },
    async abortRest() {
      calls.push('abortRest')
      const cut = requests
      const gone = this.whenIdle(new AbortController().signal)
      for (const socket of sockets) socket.destroy()
      await gone
      calls.push('aborted')
      return { connections: 0, requests: cut }
    },
    async resume() {
      calls.push('resume')
      if (server === null) await listen()
    },
    async close() {
      calls.push('close')
      unbind()
    },
    async destroy() {
      calls.push('destroy')
      unbind()
      for (const socket of sockets) socket.destroy()
    },
  }
}
