import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

export interface JsonNode {
  readonly url: string
  /** What it answers from now on: a value as JSON, or a listener that does as it likes. */
  answer: unknown
  readonly paths: string[]
  /** Connections that were opened to it. */
  connections: number
  close(): Promise<void>
}

/** A real HTTP server that answers any GET with JSON, as some other program would. */
export const startJsonNode = async (answer: unknown): Promise<JsonNode> => {
  const sockets = new Set<Socket>()
  const paths: string[] = []
  const server = createServer((request, response) => {
    paths.push(`${request.method} ${request.url}`)
    if (typeof node.answer === 'function') return (node.answer as RequestListener)(request, response)
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(node.answer))
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    node.connections += 1
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const node: JsonNode = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/status/json`,
    answer,
    connections: 0,
    paths,
    async close() {
      for (const socket of sockets) socket.destroy()
      if (!server.listening) return
      server.close()
      await once(server, 'close')
    },
  }
  return node
}
