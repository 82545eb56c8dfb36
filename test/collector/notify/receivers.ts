import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'

export interface Received {
  path: string
  headers: IncomingHttpHeaders
  body: string
  json: Record<string, unknown>
}

/** What a receiver does with a request: a status with a body, or whatever it likes. */
export type Answer =
  | { status: number; headers?: Record<string, string>; body?: string }
  | ((response: ServerResponse) => void)

const OK: Answer = { status: 200, body: 'ok' }

export interface Receiver {
  url: string
  received: Received[]
  /** Answers of the next requests, in order; then `ok`. */
  next: Answer[]
  /** The answer of all requests, where `next` has none. */
  always: Answer
  close(): Promise<void>
}

const parsed = (text: string): Record<string, unknown> => {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return {}
  }
}

/** A real HTTP server that takes what is posted; `tls` has a key and a certificate. */
export const startReceiver = async (tls?: { key: string; cert: string }): Promise<Receiver> => {
  const receiver: Receiver = {
    url: '',
    received: [],
    next: [],
    always: OK,
    close: async () => undefined,
  }
  const server: Server = tls === undefined ? createServer() : (createTlsServer(tls) as unknown as Server)
  server.on('request', (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8')
      receiver.received.push({
        path: request.url ?? '',
        headers: request.headers,
        body,
        json: parsed(body),
      })
      const answer = receiver.next.shift() ?? receiver.always
      if (typeof answer === 'function') answer(response)
      else response.writeHead(answer.status, answer.headers).end(answer.body ?? '')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  receiver.url = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}/path`
  receiver.close = async () => {
    server.closeAllConnections()
    server.close()
  }
  return receiver
}
