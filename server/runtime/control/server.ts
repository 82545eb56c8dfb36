import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
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
import { NODE_METRICS } from '../node/node-metrics.ts'
import type { TidegateNode } from '../node/tidegate-node.ts'
import { ensureControlToken, refuseOrigin, requireToken } from './access.ts'
import { type Answer, readBody } from './call.ts'
import { type ControlCall, controlCalls } from './calls.ts'
import { readEventCursor } from './event-cursor.ts'
import { createEventStreams } from './event-streams.ts'

const MAX_CONNECTIONS = 1_024
const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 20_000

/** The control listener of one node (design: what a node answers). It answers until the node's very end. */
export interface ControlServer {
  /** Null before `start`. */
  readonly address: { url: string; token: string } | null
  /** Throws `ERR_PORT_TAKEN`. */
  start(): Promise<void>
  close(): Promise<void>
}

interface Matched {
  call: ControlCall
  params: Record<string, string>
}

const matchPath = (
  pattern: readonly string[],
  segments: readonly string[],
): Record<string, string> | null => {
  if (pattern.length !== segments.length) return null
  const params: Record<string, string> = {}
  for (const [index, part] of pattern.entries()) {
    const segment = segments[index] ?? ''
    if (!part.startsWith(':')) {
      if (part !== segment) return null
      continue
    }
    try {
      params[part.slice(1)] = decodeURIComponent(segment)
    } catch {
      return null // Not a valid escape (RFC 3986 §2.1), so no such object.
    }
  }
  return params
}

const parseTarget = (request: IncomingMessage): URL => {
  try {
    return new URL(`http://node${request.url?.startsWith('/') ? request.url : '/*'}`)
  } catch {
    throw new AppError('ERR_NOT_FOUND', 'There is no such path')
  }
}

/** Makes the control listener; a node without a configured token gets one in `<data>/control-token`. */
export const createControlServer = async (
  node: TidegateNode,
  config: ControlConfig,
  options: { dataDir: string | undefined; log: Log },
): Promise<ControlServer> => {
  const { log } = options
  const { token, path: tokenPath } =
    config.token === undefined
      ? await ensureControlToken(options.dataDir)
      : { token: config.token, path: null }
  const streams = createEventStreams(node.id, node.events, log)
  const requestsByStatus: Record<string, number> = {}

  const page = createMetricsPage(NODE_METRICS, () => ({
    health: node.health(),
    events: {
      appended: node.events.seq,
      invalid: node.events.faults.invalid,
      listenerFaults: node.events.faults.listeners,
    },
    control: { requestsByStatus, streams: streams.open, streamsCutOff: streams.cutOff },
  }))
  const calls = controlCalls(node, async () => ({ type: page.contentType, content: await page.render() }))
  const table = calls.map((call) => ({ call, pattern: call.path.split('/') }))

  const find = (method: string, pathname: string): Matched => {
    const segments = pathname.split('/')
    const allowed: string[] = []
    // Literal paths stand before those with a parameter in the table, so the first match is the right one.
    for (const { call, pattern } of table) {
      const params = matchPath(pattern, segments)
      if (params === null) continue
      if (call.method === method || (method === 'HEAD' && call.method === 'GET')) return { call, params }
      allowed.push(call.method)
    }
    if (allowed.length === 0)
      throw new AppError('ERR_NOT_FOUND', 'There is no such path', { path: pathname.slice(0, 200) })
    throw new AppError('ERR_METHOD', `This path answers ${allowed.join(', ')}`, { allowed })
  }

  const answer = async (request: IncomingMessage): Promise<Answer> => {
    refuseOrigin(request)
    const url = parseTarget(request)
    let matched: Matched
    try {
      matched = find(request.method ?? 'GET', url.pathname)
    } catch (error) {
      // Which paths exist is told to those who hold the token.
      requireToken(request, token)
      throw error
    }
    if (matched.call.open !== true) requireToken(request, token)
    return await matched.call.handle({
      query: url.searchParams,
      params: matched.params,
      body: (schema) => readBody(request, schema),
    })
  }

  const errorAnswer = (error: unknown): Answer => {
    if (error instanceof AppError) return { status: error.status, body: error.toBody() }
    log.error({ err: error }, 'a control call failed')
    return {
      status: 500,
      body: new AppError('ERR_INTERNAL', 'The node failed at this call; its log says why').toBody(),
    }
  }

  const write = (request: IncomingMessage, response: ServerResponse, given: Answer): void => {
    const { status, body, text } = given
    const family = statusClass(status)
    requestsByStatus[family] = (requestsByStatus[family] ?? 0) + 1
    if (response.destroyed) return
    response.statusCode = status
    response.setHeader('Cache-Control', 'no-store')
    response.setHeader('X-Content-Type-Options', 'nosniff')
    if (status === 405) {
      const allowed = (body as { error: { facts: { allowed?: string[] } } }).error.facts.allowed ?? []
      response.setHeader('Allow', allowed.join(', '))
    }
    // An unread body would be taken for the next request's head.
    if (!request.complete) response.setHeader('Connection', 'close')
    if (text !== undefined) {
      response.setHeader('Content-Type', text.type)
      response.end(text.content)
    } else if (body === undefined) response.end()
    else {
      response.setHeader('Content-Type', 'application/json; charset=utf-8')
      response.end(JSON.stringify(body))
    }
  }

  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: 30_000,
      maxHeaderSize: 16_384,
      // An upgrade is an offer that may be ignored (RFC 9110 §7.8): `h2c` (curl --http2), and one whose body would have to be read
      // first (Node then hands over a stream that is no socket), are answered as they are.
      shouldUpgradeCallback: ({ headers }) =>
        headers.upgrade?.toLowerCase() === 'websocket' &&
        headers['transfer-encoding'] === undefined &&
        Number(headers['content-length'] ?? 0) === 0,
    },
    (request, response) => {
      response.on('error', (error) => log.debug({ err: error }, 'a control answer could not be sent'))
      answer(request).then(
        (given) => write(request, response, given),
        (error: unknown) => write(request, response, errorAnswer(error)),
      )
    },
  )
  boundConnections(server, MAX_CONNECTIONS)

  const refuseUpgrade = (socket: Duplex, error: unknown): void => {
    const { status, body } = errorAnswer(error)
    answerOnSocket(socket, { status, headers: { 'Content-Type': 'application/json; charset=utf-8' }, body })
  }

  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', (error) => log.debug({ err: error }, 'a control socket failed'))
    try {
      refuseOrigin(request)
      requireToken(request, token)
      const url = parseTarget(request)
      if (url.pathname !== '/events') throw new AppError('ERR_NOT_FOUND', 'Only /events can be upgraded')
      streams.accept(request, socket, head, readEventCursor(url.searchParams.get('after'), node.events))
    } catch (error) {
      refuseUpgrade(socket, error)
    }
  })
  server.on('clientError', (_error, socket) => {
    answerOnSocket(socket, { status: 400 })
  })

  let address: { url: string; token: string } | null = null
  let closing: Promise<void> | null = null

  return {
    get address() {
      return address
    },
    async start() {
      await listen(server, config.host, config.port, { remedy: 'the control listener needs it' })
      server.on('error', (error) => log.error({ err: error }, 'the control listener failed'))
      const { address: host, family, port } = server.address() as AddressInfo
      address = { url: `http://${family === 'IPv6' ? `[${host}]` : host}:${port}`, token }
      log.info(
        { url: address.url, ...(tokenPath === null ? {} : { tokenFile: tokenPath }) },
        'control listener is up',
      )
    },
    close() {
      closing ??= new Promise<void>((resolve) => {
        if (!server.listening) {
          resolve()
          return
        }
        void streams.close()
        server.close(() => resolve())
        server.closeIdleConnections()
        // Answers that are being written have a moment; streams end themselves within a second.
        setTimeout(() => server.closeAllConnections(), 1_000).unref()
      })
      return closing
    },
  }
}
