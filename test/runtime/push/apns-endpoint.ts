import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import {
  createSecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings,
} from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generate } from 'selfsigned'
import type { EventData, EventType } from '../../../server/contract/events.ts'
import { type PushConfig, pushConfigSchema } from '../../../server/contract/node-config.ts'
import { createLog } from '../../../server/observe/log.ts'
import { createPush, type Push } from '../../../server/runtime/push/push.ts'

export interface SeenRequest {
  stream: ServerHttp2Stream
  session: ServerHttp2Session
  headers: IncomingHttpHeaders
  token: string
  apnsId: string
  body: string
}

export interface Endpoint {
  port: number
  folder: string
  caPath: string
  keyPath: string
  requests: SeenRequest[]
  sessions: ServerHttp2Session[]
  sockets: Set<Socket>
  /** What the endpoint does with a request; 200 at once unless set. */
  answer: (request: SeenRequest) => void
  /** Resolves when `condition` holds; looked at after every request, session and answer. */
  until(condition: () => boolean): Promise<void>
  close(): Promise<void>
}

export const respond = (
  request: SeenRequest,
  status: number,
  body?: unknown,
  headers: Record<string, string> = {},
): void => {
  if (request.stream.destroyed) return
  request.stream.respond({ ':status': status, 'apns-id': request.apnsId, ...headers })
  request.stream.end(body === undefined ? undefined : JSON.stringify(body))
}

/** A real HTTP/2 server over TLS that plays APNs. */
export const startEndpoint = async (settings: Settings = {}): Promise<Endpoint> => {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-push-'))
  const pems = await generate([{ name: 'commonName', value: 'push endpoint' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
    ],
  })
  const caPath = join(folder, 'ca.pem')
  const keyPath = join(folder, 'AuthKey.p8')
  await writeFile(caPath, pems.cert)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await writeFile(keyPath, privateKey.export({ type: 'pkcs8', format: 'pem' }))

  const server = createSecureServer({ key: pems.private, cert: pems.cert, settings })
  let waiters: { condition: () => boolean; resolve: () => void }[] = []
  const look = (): void => {
    waiters = waiters.filter(({ condition, resolve }) => {
      if (!condition()) return true
      resolve()
      return false
    })
  }
  const endpoint: Endpoint = {
    port: 0,
    folder,
    caPath,
    keyPath,
    requests: [],
    sessions: [],
    sockets: new Set(),
    answer: (request) => respond(request, 200),
    until: (condition) =>
      new Promise((resolve) => {
        waiters.push({ condition, resolve })
        look()
      }),
    async close() {
      for (const socket of endpoint.sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
      await rm(folder, { recursive: true, force: true })
    },
  }
  server.on('connection', (socket: Socket) => {
    endpoint.sockets.add(socket)
    socket.on('close', () => endpoint.sockets.delete(socket))
  })
  server.on('session', (session) => {
    endpoint.sessions.push(session)
    session.on('error', () => undefined) // broken on purpose in many tests
    session.on('close', look)
    look()
  })
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined)
    stream.on('close', look)
    let body = ''
    stream.setEncoding('utf8')
    stream.on('data', (chunk: string) => {
      body += chunk
    })
    stream.on('end', () => {
      const request: SeenRequest = {
        stream: stream as ServerHttp2Stream,
        session: stream.session as ServerHttp2Session,
        headers,
        token: String(headers[':path']).replace('/3/device/', ''),
        apnsId: String(headers['apns-id']),
        body,
      }
      endpoint.requests.push(request)
      endpoint.answer(request)
      look()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  endpoint.port = (server.address() as AddressInfo).port
  return endpoint
}

export interface Recorded {
  push: Push
  events: { type: EventType; data: Record<string, unknown> }[]
  ofType<T extends EventType>(type: T): EventData<T>[]
  /** Resolves with the first event of this type, past or to come. */
  event<T extends EventType>(type: T): Promise<EventData<T>>
}

/** A started push part that talks to `endpoint` and records what it reports. */
export const startPush = async (
  endpoint: Pick<Endpoint, 'port' | 'caPath' | 'keyPath'>,
  overrides: Partial<PushConfig> = {},
): Promise<Recorded> => {
  const events: Recorded['events'] = []
  let waiters: { type: EventType; resolve: (data: never) => void }[] = []
  const config = pushConfigSchema.parse({
    host: '127.0.0.1',
    port: endpoint.port,
    topic: 'com.example.app',
    keyId: 'ABC123',
    teamId: 'TEAM45',
    keyPath: endpoint.keyPath,
    ca: endpoint.caPath,
    ...overrides,
  })
  const push = createPush(config, {
    node: 'fra-1',
    region: 'fra',
    log: createLog('test', 'silent'),
    emit(type, data) {
      events.push({ type, data })
      waiters = waiters.filter((waiter) => {
        if (waiter.type !== type) return true
        waiter.resolve(data as never)
        return false
      })
    },
  })
  await push.start()
  return {
    push,
    events,
    ofType: (type) => events.filter((event) => event.type === type).map((event) => event.data as never),
    event: (type) =>
      new Promise((resolve) => {
        const past = events.find((event) => event.type === type)
        if (past) resolve(past.data as never)
        else waiters.push({ type, resolve: resolve as (data: never) => void })
      }),
  }
}
