import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

export const SECRET = 'a-secret-of-the-drain-hook'

export interface Delivery {
  headers: IncomingMessage['headers']
  text: string
  body: Record<string, unknown>
  /** The signature is right for this secret, worked out here from the documented words alone. */
  signed: boolean
}

export interface Receiver {
  readonly url: string
  readonly deliveries: Delivery[]
  /** How it answers from now on; default 200 after `act`. */
  answer: ((response: ServerResponse, delivery: Delivery) => void) | null
  /** What it does about a wish. */
  act: (body: Record<string, unknown>) => void
  /** Nobody listens there any more, until `up`. */
  down(): Promise<void>
  up(): Promise<void>
  close(): Promise<void>
}

const isSigned = (header: unknown, text: string): boolean => {
  const [, t, v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(header)) ?? []
  if (t === undefined || Math.abs(Date.now() / 1_000 - Number(t)) > 30) return false
  return v1 === createHmac('sha256', SECRET).update(`${t}.${text}`).digest('hex')
}

/** An operator's webhook receiver: a real HTTP server on a port that stays its own. */
export const startReceiver = async (): Promise<Receiver> => {
  const sockets = new Set<Socket>()
  const server = createServer(async (request, response) => {
    let text = ''
    try {
      for await (const chunk of request) text += chunk
    } catch {
      return
    }
    const body = JSON.parse(text) as Record<string, unknown>
    const signed = isSigned(request.headers['tidegate-signature'], text)
    const delivery = { headers: request.headers, text, body, signed }
    receiver.deliveries.push(delivery)
    if (receiver.answer !== null) return receiver.answer(response, delivery)
    receiver.act(body)
    response.end('{}')
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
  })
  const listen = async (port: number): Promise<void> => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  await listen(0)
  const { port } = server.address() as AddressInfo
  const down = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    if (!server.listening) return
    server.close()
    await once(server, 'close')
  }
  const receiver: Receiver = {
    url: `http://127.0.0.1:${port}/drain?key=hunter2`,
    deliveries: [],
    answer: null,
    act: () => undefined,
    down,
    up: () => listen(port),
    close: down,
  }
  return receiver
}
