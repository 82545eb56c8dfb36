import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { AppError } from '../../contract/errors.ts'
import type { ControlConfig } from '../../contract/node-config.ts'
import type { Log } from '../../observe/log.ts'
import { createMetricsPage } from '../../observe/metrics.ts'
import { answerOnSocket } from '../../wire/raw-answer.ts'
import { statusClass } from '../../wire/status-class.ts'
import { boundConnections } from '../listen/connection-room.ts'
import { listen } from '../listen/listen.ts'
import type { TidegateNode } from '../part/node-face.ts'
import { ensureControlToken, refuseOrigin, requireToken } from './access.ts'
import { type Answer, readBody } from './call.ts'
import { controlCalls } from './calls.ts'
import { readEventCursor } from './event-cursor.ts'
import { EventStreams } from './event-streams.ts'
import { NODE_METRICS } from './node-metrics.ts'
import { type Matched, Router } from './router.ts'

const MAX_CONNECTIONS = 1_024
const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 20_000
const KEEP_ALIVE_MS = 30_000
const MAX_HEADER_BYTES = 16_384
/** How long answers that are being written at the end may take; streams end themselves within it. */
const LAST_BYTES_MS = 1_000
const JSON_TYPE = 'application/json; charset=utf-8'

/** A token, and the file in which an operator finds it where it was generated. */
interface ControlToken {
  token: string
  path: string | null
}

/** The control listener of one node. It answers until the node's very end. */
export class ControlServer {
  readonly #node: TidegateNode
  readonly #config: ControlConfig
  readonly #token: ControlToken
  readonly #log: Log
  readonly #server: Server
  readonly #streams: EventStreams
  readonly #router: Router
  readonly #requestsByStatus: Record<string, number> = {}
  #address: { url: string; token: string } | null = null
  #closing: Promise<void> | null = null

  /** A node without a configured token gets one in `<data>/control-token`. Throws `ERR_DATA_FOLDER`. */
  static async create(
    node: TidegateNode,
    config: ControlConfig,
    { dataDir, log }: { dataDir: string | undefined; log: Log },
  ): Promise<ControlServer> {
    const token =
      config.token === undefined ? await ensureControlToken(dataDir) : { token: config.token, path: null }
    return new ControlServer(node, config, token, log)
  }

  private constructor(node: TidegateNode, config: ControlConfig, token: ControlToken, log: Log) {
    this.#node = node
    this.#config = config
    this.#token = token
    this.#log = log
    this.#streams = new EventStreams(node.id, node.events, log)
    const page = createMetricsPage(NODE_METRICS, () => ({
      health: node.health(),
      events: {
        appended: node.events.seq,
        invalid: node.events.faults.invalid,
        listenerFaults: node.events.faults.listeners,
      },
      control: {
        requestsByStatus: this.#requestsByStatus,
        streams: this.#streams.open,
        streamsCutOff: this.#streams.cutOff,
      },
    }))
    const metrics = async () => ({ type: page.contentType, content: await page.render() })
    this.#router = new Router(controlCalls(node, metrics))
    this.#server = this.#createServer()
  }

  /** Null before `start`. */
  get address(): { url: string; token: string } | null {
    return this.#address
  }

  /** Throws `ERR_PORT_TAKEN`, `ERR_CONFIG`. */
  async start(): Promise<void> {
    const server = this.#server
    const { token, path } = this.#token
    await listen(server, this.#config.host, this.#config.port, { remedy: 'the control listener needs it' })
    server.on('error', (error) => this.#log.error({ err: error }, 'the control listener failed'))
    const { address: host, family, port } = server.address() as AddressInfo
    const url = `http://${family === 'IPv6' ? `[${host}]` : host}:${port}`
    this.#address = { url, token }
    this.#log.info({ url, ...(path === null ? {} : { tokenFile: path }) }, 'control listener is up')
  }

  close(): Promise<void> {
    this.#closing ??= new Promise<void>((resolve) => {
      const server = this.#server
      if (!server.listening) {
        resolve()
        return
      }
      void this.#streams.close()
      server.close(() => resolve())
      server.closeIdleConnections()
      setTimeout(() => server.closeAllConnections(), LAST_BYTES_MS).unref()
    })
    return this.#closing
  }

  #createServer(): Server {
    const server = createServer(
      {
        headersTimeout: HEADERS_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
        maxHeaderSize: MAX_HEADER_BYTES,
        // An upgrade is an offer that may be ignored (RFC 9110 §7.8): `h2c` (curl --http2), and one whose body would have to be read
        // first (Node then hands over a stream that is no socket), are answered as they are.
        shouldUpgradeCallback: ({ headers }) =>
          headers.upgrade?.toLowerCase() === 'websocket' &&
          headers['transfer-encoding'] === undefined &&
          Number(headers['content-length'] ?? 0) === 0,
      },
      (request, response) => this.#handle(request, response),
    )
    boundConnections(server, MAX_CONNECTIONS)
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#upgrade(request, socket, head),
    )
    server.on('clientError', (_error, socket) => answerOnSocket(socket, { status: 400 }))
    return server
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', (error) => this.#log.debug({ err: error }, 'a control answer could not be sent'))
    this.#answer(request).then(
      (answer) => this.#write(request, response, answer),
      (error: unknown) => this.#write(request, response, this.#errorAnswer(error)),
    )
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    refuseOrigin(request)
    const url = parseTarget(request)
    let matched: Matched
    try {
      matched = this.#router.find(request.method ?? 'GET', url.pathname)
    } catch (error) {
      // Only those who hold the token learn which paths exist.
      requireToken(request, this.#token.token)
      throw error
    }
    if (matched.call.open !== true) requireToken(request, this.#token.token)
    return await matched.call.handle({
      query: url.searchParams,
      params: matched.params,
      body: (schema) => readBody(request, schema),
    })
  }

  #errorAnswer(error: unknown): Answer {
    if (error instanceof AppError) return { status: error.status, body: error.toBody() }
    this.#log.error({ err: error }, 'a control call failed')
    const unknown = new AppError('ERR_INTERNAL', 'The node failed at this call; its log says why')
    return { status: unknown.status, body: unknown.toBody() }
  }

  #write(request: IncomingMessage, response: ServerResponse, { status, body, text }: Answer): void {
    const family = statusClass(status)
    this.#requestsByStatus[family] = (this.#requestsByStatus[family] ?? 0) + 1
    if (response.destroyed) return
    response.statusCode = status
    response.setHeader('Cache-Control', 'no-store')
    response.setHeader('X-Content-Type-Options', 'nosniff')
    if (status === 405) {
      const allowed = (body as { error: { facts: { allowed?: string[] } } }).error.facts.allowed ?? []
      response.setHeader('Allow', allowed.join(', '))
    }
    // An unread body would be mistaken for the next request's head.
    if (!request.complete) response.setHeader('Connection', 'close')
    if (text !== undefined) {
      response.setHeader('Content-Type', text.type)
      response.end(text.content)
    } else if (body === undefined) response.end()
    else {
      response.setHeader('Content-Type', JSON_TYPE)
      response.end(JSON.stringify(body))
    }
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', (error) => this.#log.debug({ err: error }, 'a control socket failed'))
    try {
      refuseOrigin(request)
      requireToken(request, this.#token.token)
      const url = parseTarget(request)
      if (url.pathname !== '/events') throw new AppError('ERR_NOT_FOUND', 'Only /events can be upgraded')
      const cursor = readEventCursor(url.searchParams.get('after'), this.#node.events)
      this.#streams.accept(request, socket, head, cursor)
    } catch (error) {
      const { status, body } = this.#errorAnswer(error)
      answerOnSocket(socket, { status, headers: { 'Content-Type': JSON_TYPE }, body })
    }
  }
}

const parseTarget = (request: IncomingMessage): URL => {
  try {
    return new URL(`http://node${request.url?.startsWith('/') ? request.url : '/*'}`)
  } catch {
    throw new AppError('ERR_NOT_FOUND', 'There is no such path')
  }
}
