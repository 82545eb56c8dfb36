import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import type { EventData, EventType } from '../../../server/contract/events.ts'
import { type RelayConfig, relayConfigSchema } from '../../../server/contract/node-config.ts'
import { createLog } from '../../../server/observe/log.ts'
import type { Directory } from '../../../server/runtime/directory/directory.ts'
import { createMemoryDirectory } from '../../../server/runtime/directory/memory.ts'
import {
  createHostClient,
  type HostClient,
  type HostClientOptions,
  type HostEvent,
} from '../../../server/runtime/host/host-client.ts'
import { createRelay, type Relay, type RelayOptions } from '../../../server/runtime/relay/relay.ts'
import {
  decodeFrame,
  encodeFrame,
  FRAME,
  type Frame,
  type FrameType,
  type RequestHead,
} from '../../../server/runtime/tunnel/frames.ts'

export const log = createLog('test', 'silent')

export const tokenOf = (hostId: string): string => `token-of-${hostId}`

export interface TestEvent {
  type: EventType
  data: Record<string, unknown>
}

export interface TestRelay {
  relay: Relay
  port: number
  url: string
  events: TestEvent[]
  directory: Directory
  /** Events of one type. */
  of(type: EventType): Record<string, unknown>[]
}

export interface TestRelayOptions extends RelayOptions {
  node?: string
  region?: string
  directory?: Directory
  hosts?: string[]
  config?: Partial<RelayConfig>
}

/** A relay on a free port of loopback that ends with the test. */
export const startRelay = async (options: TestRelayOptions = {}): Promise<TestRelay> => {
  const directory = options.directory ?? createMemoryDirectory()
  const hosts = options.hosts ?? ['a', 'b', 'c']
  const events: TestEvent[] = []
  const config = relayConfigSchema.parse({
    host: '127.0.0.1',
    port: 0,
    tokens: Object.fromEntries(hosts.map((hostId) => [hostId, tokenOf(hostId)])),
    ...options.config,
  })
  const context = {
    node: options.node ?? 'fra-1',
    region: options.region ?? 'fra',
    log,
    emit: <T extends EventType>(type: T, data: EventData<T>) => {
      events.push({ type, data: data as Record<string, unknown> })
    },
  }
  const relay = createRelay(config, context, directory, options)
  await relay.start()
  onTestFinished(async () => {
    await relay.destroy()
    directory.close()
  })
  const port = relay.listeners()[0]?.port ?? 0
  return {
    relay,
    port,
    url: `ws://127.0.0.1:${port}`,
    events,
    directory,
    of: (type) => events.filter((event) => event.type === type).map((event) => event.data),
  }
}

/** A raw `ws` client that acts as a host: it answers pings and nothing else. */
export interface RawHost {
  ws: WebSocket
  texts: Record<string, unknown>[]
  closed: Promise<{ code: number; reason: string }>
  registered: Promise<Record<string, unknown>>
}

export const dialRaw = (
  relay: TestRelay,
  hostId: string,
  options: { token?: string | null; query?: string; protocols?: string[]; autoPong?: boolean } = {},
): RawHost => {
  const token = options.token === undefined ? tokenOf(hostId) : options.token
  const headers = token === null ? {} : { authorization: `Bearer ${token}` }
  const query = options.query ?? `hostId=${hostId}`
  const ws = new WebSocket(`${relay.url}/tunnel?${query}`, options.protocols ?? [], {
    headers,
    autoPong: options.autoPong ?? true,
  })
  ws.on('error', () => undefined)
  const texts: Record<string, unknown>[] = []
  ws.on('message', (data, isBinary) => {
    if (!isBinary) texts.push(JSON.parse(data.toString()) as Record<string, unknown>)
  })
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    ws.on('close', (code, reason) => resolve({ code, reason: reason.toString('utf8') }))
  })
  const registered = new Promise<Record<string, unknown>>((resolve) => {
    ws.on('message', (data, isBinary) => {
      if (isBinary) return
      const message = JSON.parse(data.toString()) as Record<string, unknown>
      if (message.type === 'registered') resolve(message)
    })
  })
  onTestFinished(() => ws.terminate())
  return { ws, texts, closed, registered }
}

/** What a host of the tests' own sends on one stream. */
export interface RawStream {
  id: number
  /** The request as the relay sent it. */
  head: RequestHead
  send(type: number, flags: number, payload: string | Buffer | object): void
}

/** A registered host that answers every request as `serve` says, in frames of its own making. */
export const startRawHost = async (
  relay: TestRelay,
  hostId: string,
  serve: (stream: RawStream) => void,
): Promise<RawHost & { frames: Frame[] }> => {
  const host = dialRaw(relay, hostId)
  const frames: Frame[] = []
  host.ws.on('message', (data, isBinary) => {
    const frame = isBinary ? decodeFrame(data as Buffer) : null
    if (frame === null) return
    frames.push(frame)
    if (frame.type !== FRAME.request) return
    serve({
      id: frame.streamId,
      head: JSON.parse(frame.payload.toString()) as RequestHead,
      send(type, flags, payload) {
        const bytes = Buffer.isBuffer(payload)
          ? payload
          : Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload))
        host.ws.send(encodeFrame(type as FrameType, flags, frame.streamId, bytes))
      },
    })
  })
  await host.registered
  return { ...host, frames }
}

/** Bytes to the public port, and all that came back until the connection closed or `enough` says so. */
export const speak = async (
  relay: TestRelay,
  text: string | Buffer,
  enough: (received: string) => boolean = () => false,
): Promise<string> => {
  const socket = connect(relay.port, '127.0.0.1')
  onTestFinished(() => {
    socket.destroy()
  })
  socket.on('error', () => undefined)
  let received = ''
  await new Promise<void>((resolve) => {
    socket.on('close', () => resolve())
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1')
      if (enough(received)) resolve()
    })
    socket.write(text)
  })
  return received
}

/** A target server that ends with the test. */
export const startTarget = async (
  handle: (req: IncomingMessage, res: import('node:http').ServerResponse) => void,
  upgrade?: (server: Server) => void,
): Promise<string> => {
  const server = createServer(handle)
  upgrade?.(server)
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

export interface TestHost {
  client: HostClient
  events: HostEvent[]
  of<T extends HostEvent['type']>(type: T): Extract<HostEvent, { type: T }>[]
  registered(count?: number): Promise<void>
}

/** The product's host client, started, that ends with the test. */
export const startHost = (
  options: Partial<HostClientOptions> & Pick<HostClientOptions, 'relays'>,
): TestHost => {
  const events: HostEvent[] = []
  const waiters: { count: number; resolve(): void }[] = []
  const hostId = options.hostId ?? 'a'
  const client = createHostClient({
    hostId,
    token: tokenOf(hostId),
    to: 'http://127.0.0.1:9',
    log,
    ...options,
    onEvent: (event) => {
      events.push(event)
      const count = events.filter((seen) => seen.type === 'registered').length
      for (const waiter of waiters) if (count >= waiter.count) waiter.resolve()
    },
  })
  client.start()
  onTestFinished(() => client.close())
  return {
    client,
    events,
    of: <T extends HostEvent['type']>(type: T) =>
      events.filter((event): event is Extract<HostEvent, { type: T }> => event.type === type),
    registered: (count = 1) =>
      new Promise((resolve) => {
        if (events.filter((event) => event.type === 'registered').length >= count) resolve()
        else waiters.push({ count, resolve })
      }),
  }
}

export interface FakeConnection {
  ws: WebSocket
  /** When the handshake was completed, on the monotonic clock. */
  atMs: number
  request: IncomingMessage
  reports: Record<string, unknown>[]
  closed: Promise<{ code: number; reason: string }>
}

/** A relay of the tests' own, that does to the host client what `onTunnel` says. */
export const startFakeRelay = async (
  onTunnel: (connection: FakeConnection, index: number) => void,
  options: { port?: number } = {},
): Promise<{ url: string; connections: FakeConnection[]; close(): void }> => {
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: options.port ?? 0,
    handleProtocols: (offered) => (offered.has('tidegate.v1') ? 'tidegate.v1' : false),
  })
  await once(server, 'listening')
  const connections: FakeConnection[] = []
  server.on('connection', (ws, req) => {
    const reports: Record<string, unknown>[] = []
    ws.on('error', () => undefined)
    ws.on('message', (data, isBinary) => {
      if (!isBinary) reports.push(JSON.parse(data.toString()) as Record<string, unknown>)
    })
    const closed = new Promise<{ code: number; reason: string }>((resolve) => {
      ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() }))
    })
    const connection = { ws, atMs: performance.now(), request: req, reports, closed }
    connections.push(connection)
    onTunnel(connection, connections.length - 1)
  })
  const close = (): void => {
    for (const ws of server.clients) ws.terminate()
    server.close()
  }
  onTestFinished(close)
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, connections, close }
}

/** What a relay says once a tunnel counts. */
export const sayRegistered = (
  connection: FakeConnection,
  node: string,
  extra: Record<string, unknown> = {},
): void => {
  connection.ws.send(
    JSON.stringify({
      type: 'registered',
      protocol: 1,
      node,
      region: 'fra',
      hostId: 'a',
      fence: 1,
      pingIntervalMs: 30_000,
      ...extra,
    }),
  )
}

export interface Answer {
  status: number
  rawHeaders: string[]
  body: Buffer
}

/** One request without any cleverness of `fetch`. */
export const ask = async (
  relay: TestRelay,
  path: string,
  options: { method?: string; headers?: Record<string, string | string[]> | string[]; body?: Buffer } = {},
): Promise<Answer> =>
  await new Promise((resolve, reject) => {
    const req = request(
      {
        host: '127.0.0.1',
        port: relay.port,
        path,
        method: options.method ?? 'GET',
        agent: false,
        ...(options.headers ? { headers: options.headers } : {}),
      },
      (res) => {
        const chunks: Buffer[] = []
        res.on('data', (chunk: Buffer) => chunks.push(chunk))
        res.on('end', () =>
          resolve({ status: res.statusCode ?? 0, rawHeaders: res.rawHeaders, body: Buffer.concat(chunks) }),
        )
        res.on('error', reject)
      },
    )
    req.on('error', reject)
    req.end(options.body)
  })

export const errorCode = (answer: Answer): string =>
  (JSON.parse(answer.body.toString()) as { error: { code: string } }).error.code

export const valuesOf = (answer: Answer, name: string): string[] => {
  const values: string[] = []
  for (let index = 0; index < answer.rawHeaders.length; index += 2) {
    if (answer.rawHeaders[index]?.toLowerCase() === name) values.push(answer.rawHeaders[index + 1] ?? '')
  }
  return values
}

export const noSignal = (): AbortSignal => new AbortController().signal
