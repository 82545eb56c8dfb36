import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import type { EventType, Health, NodeEvent, NodeTunnel } from '../../server/contract/index.ts'
import { healthDocument } from './adapters/tidegate/health-document.ts'

export interface ScriptedNode {
  readonly id: string
  readonly region: string
  readonly url: string
  readonly token: string
  /** Changed at will; what `/health` answers. */
  health: Health
  tunnels: NodeTunnel[]
  directory: Record<string, string>
  /** Appends an event and sends it to open streams. */
  emit(type: EventType, data: Record<string, unknown>): void
  /** Appends events that no open stream gets, as if frames had been lost. */
  emitUnsent(type: EventType, data: Record<string, unknown>): void
  /** Sends a frame as it is to all open streams, outside the ring. */
  sendFrame(frame: unknown): void
  /** Milliseconds by which its clock is ahead. */
  skewMs: number
  /** Where true, `GET /events` is never answered. */
  hangs: boolean
  /** The ring forgets everything up to this seq. */
  forget(seq: number): void
  /** The next event has the number after this one. */
  leapTo(seq: number): void
  dropStreams(): void
  readonly streams: number
  /** Bytes of frames that readers have not taken. */
  readonly unsentBytes: number
  /** `METHOD /path` of every control call but polls. */
  readonly calls: string[]
  close(): Promise<void>
}

/** A real HTTP and WebSocket server that answers as a node does. */
export const startScriptedNode = async (
  id: string,
  options: { port?: number; epoch?: string } = {},
): Promise<ScriptedNode> => {
  const region = id.slice(0, 3)
  const epoch = options.epoch ?? 'run1'
  const token = `token-of-${id}-0123456789`
  const ring: NodeEvent[] = []
  const calls: string[] = []
  const sockets = new Set<WebSocket>()
  let seq = 0

  const append = (type: EventType, data: Record<string, unknown>): NodeEvent => {
    seq += 1
    const event = {
      seq,
      epoch,
      node: id,
      region,
      type,
      at: new Date(Date.now() + node.skewMs).toISOString(),
      data,
    } as NodeEvent
    ring.push(event)
    return event
  }
  const oldest = (): number => ring[0]?.seq ?? seq + 1
  const after = (text: string | null): NodeEvent[] => {
    const [of, from] = (text ?? '').split(':')
    return of === epoch ? ring.filter((event) => event.seq > Number(from)) : [...ring]
  }

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://node')
    const answer = (status: number, body: unknown): void => {
      const date = new Date(Date.now() + node.skewMs).toUTCString()
      response.writeHead(status, { 'content-type': 'application/json', date }).end(JSON.stringify(body))
    }
    if (url.pathname === '/health') return answer(200, { ...node.health, epoch, seq })
    if (request.headers.authorization !== `Bearer ${token}`) return answer(401, {})
    if (url.pathname !== '/tunnels' || request.method !== 'GET')
      calls.push(`${request.method} ${url.pathname}`)
    if (url.pathname === '/events') {
      if (node.hangs) return
      const events = after(url.searchParams.get('after')).slice(0, Number(url.searchParams.get('limit')))
      return answer(200, { events, next: events.at(-1)?.seq ?? seq, oldest: oldest() })
    }
    if (url.pathname === '/tunnels') return answer(200, { items: node.tunnels, directory: node.directory })
    if (url.pathname === '/connections') return answer(200, { items: [], total: 0 })
    if (url.pathname.startsWith('/tunnels/')) return answer(204, {})
    return answer(404, { error: { code: 'ERR_NOT_FOUND', message: 'no such path', facts: {} } })
  })
  const wss = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, socket, head) => {
    if (request.headers.authorization !== `Bearer ${token}`)
      return socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n')
    wss.handleUpgrade(request, socket, head, (client) => {
      sockets.add(client)
      client.on('close', () => sockets.delete(client))
      client.on('error', () => client.terminate())
      client.send(JSON.stringify({ type: 'hello', node: id, epoch, seq, oldest: oldest() }))
      for (const event of after(new URL(request.url ?? '/', 'http://node').searchParams.get('after'))) {
        client.send(JSON.stringify(event))
      }
    })
  })
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')

  const node: ScriptedNode = {
    id,
    region,
    token,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    health: healthDocument({ node: id, region, epoch }),
    tunnels: [],
    directory: {},
    calls,
    emit(type, data) {
      const event = append(type, data)
      for (const client of sockets) client.send(JSON.stringify(event))
    },
    sendFrame(frame) {
      const text = typeof frame === 'string' ? frame : JSON.stringify(frame)
      for (const client of sockets) client.send(text)
    },
    skewMs: 0,
    hangs: false,
    emitUnsent: (type, data) => void append(type, data),
    forget(upTo) {
      while (ring[0] && ring[0].seq <= upTo) ring.shift()
    },
    leapTo(to) {
      seq = to
    },
    dropStreams() {
      for (const client of sockets) client.terminate()
    },
    get streams() {
      return sockets.size
    },
    get unsentBytes() {
      return [...sockets].reduce((sum, client) => sum + client.bufferedAmount, 0)
    },
    async close() {
      for (const client of sockets) client.terminate()
      wss.close()
      server.closeAllConnections()
      if (server.listening) {
        server.close()
        await once(server, 'close')
      }
    },
  }
  return node
}
