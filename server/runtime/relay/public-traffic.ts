import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { AppError } from '../../contract/errors.ts'
import type { RelayHealth } from '../../contract/health.ts'
import { HOST_ID_PATTERN } from '../../contract/ids.ts'
import type { RelayConfig } from '../../contract/node-config.ts'
import type { NodeState } from '../../contract/states.ts'
import type { PartContext, Readiness } from '../part.ts'
import type { Directory, DirectoryEntry } from './directory.ts'
import { forwardedRequestHeaders, HOP_HEADER, PASS_HEADER } from './forwarded-headers.ts'
import type { HeaderList } from './frames.ts'
import { type PassOnOptions, passRequestOn, passUpgradeOn } from './pass-on.ts'
import { answerError, answerJson, refusedUpgradeResponse } from './public-answer.ts'
import { forwardRequest } from './public-requests.ts'
import { createSocketForwarder } from './public-sockets.ts'
import type { Tunnel } from './tunnel.ts'
import type { TunnelRegistry } from './tunnel-registry.ts'

/** More header fields than this are refused with 431, never cut. */
const MAX_HEADERS = 100

/** What Node's parser lets pass and no host should see: too many fields, two names for one request, TRACE. */
const refusalOf = (req: IncomingMessage): { status: number; error: AppError } | null => {
  const { rawHeaders, method } = req
  if (rawHeaders.length > MAX_HEADERS * 2)
    return { status: 431, error: new AppError('ERR_TOO_LARGE', `More than ${MAX_HEADERS} header fields`) }
  if (method === 'TRACE')
    return { status: 405, error: new AppError('ERR_METHOD', 'This method is not forwarded') }
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  return hosts <= 1 ? null : { status: 400, error: new AppError('ERR_INVALID', 'Host must be given once') }
}

export interface PublicTrafficOptions {
  config: RelayConfig
  context: PartContext
  registry: TunnelRegistry
  directory: Directory
  accepting(): boolean
  readiness(): Readiness
  state(): NodeState
}

/** Which host a request is for, and what it sees of the path. */
interface Destination {
  hostId: string
  path: string
  prefix: string | undefined
}

/** What is in flight, so that it can be counted, awaited and cut. */
interface Exchange {
  kind: 'request' | 'connection'
  abort(): void
}

const statusClass = (status: number): string =>
  status >= 100 && status <= 599 ? `${Math.floor(status / 100)}xx` : 'other'

/** The public side of a relay: health, and what goes to hosts. */
export const createPublicTraffic = (options: PublicTrafficOptions) => {
  const { config, context, registry, directory } = options
  const domain = config.domain?.toLowerCase().replace(/^\./, '')
  const forwardSocket = createSocketForwarder()
  const exchanges = new Set<Exchange>()
  const responses = new Set<ServerResponse>()
  const byStatus: Record<string, number> = {}
  let total = 0
  let waiters: (() => void)[] = []

  const begin = (kind: Exchange['kind']): Exchange & { finish(): void } => {
    const exchange = {
      kind,
      abort: (): void => undefined,
      finish: (): void => {
        exchanges.delete(exchange)
        if (exchanges.size > 0) return
        for (const resolve of waiters) resolve()
        waiters = []
      },
    }
    exchanges.add(exchange)
    return exchange
  }

  const count = (status: number): void => {
    const key = statusClass(status)
    byStatus[key] = (byStatus[key] ?? 0) + 1
  }

  const destinationOf = (req: IncomingMessage): Destination | null => {
    const url = req.url ?? '/'
    if (domain) {
      const name = (req.headers.host ?? '').toLowerCase().replace(/:\d+$/, '')
      if (name.endsWith(`.${domain}`)) {
        const hostId = name.slice(0, -domain.length - 1)
        return { hostId, path: url, prefix: undefined }
      }
    }
    const match = /^\/hosts\/([^/?#]+)(\/[^?#]*)?(\?[^#]*)?$/.exec(url)
    if (!match) return null
    const hostId = match[1] ?? ''
    return { hostId, path: `${match[2] ?? '/'}${match[3] ?? ''}`, prefix: `/hosts/${hostId}` }
  }

  /** True where a fellow relay of the same directory passed the request on: only then is its word on the client believed. */
  const passedByFellow = (req: IncomingMessage): boolean => {
    const given = req.headers[PASS_HEADER]
    if (typeof given !== 'string' || directory.passKey === '') return false
    const [a, b] = [Buffer.from(given), Buffer.from(directory.passKey)]
    return a.length === b.length && timingSafeEqual(a, b)
  }

  const clientOf = (
    req: IncomingMessage,
  ): { address: string; proto: 'http' | 'https'; host: string | undefined } => {
    const socketAddress = (req.socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '')
    const told = passedByFellow(req)
    const header = (name: string): string | undefined => {
      const value = told ? req.headers[name] : undefined
      return typeof value === 'string' ? value : undefined
    }
    return {
      address: header('x-forwarded-for') ?? socketAddress,
      proto: header('x-forwarded-proto') === 'https' ? 'https' : 'http',
      host: header('x-forwarded-host') ?? req.headers.host,
    }
  }

  const headersFor = (req: IncomingMessage, destination: Destination): HeaderList =>
    forwardedRequestHeaders(req.rawHeaders, { ...clientOf(req), prefix: destination.prefix })

  /** Where the request goes: a tunnel here, the relay that owns the host, or an error that says why neither. */
  const findOwner = async (req: IncomingMessage, hostId: string): Promise<Tunnel | DirectoryEntry> => {
    if (!HOST_ID_PATTERN.test(hostId))
      throw new AppError('ERR_NOT_FOUND', 'Host ids match [a-z0-9-]{1,63}', {})
    const local = registry.get(hostId)
    if (local) return local
    if (req.headers[HOP_HEADER] !== undefined) {
      throw new AppError(
        'ERR_LOOP',
        `Host ${hostId} has no tunnel here, and the request was passed on once already`,
        { hostId },
      )
    }
    const entry = await registry
      .ask(() => directory.lookup(hostId))
      .catch((error: unknown) => {
        const cause = error instanceof Error ? error.message : String(error)
        throw new AppError(
          'ERR_HOST_OFFLINE',
          `Host ${hostId} has no tunnel here, and the directory cannot be asked`,
          {
            hostId,
            reason: 'directory unreachable',
            cause,
          },
        )
      })
    // It may have registered here while the directory was asked.
    const arrived = registry.get(hostId)
    if (arrived) return arrived
    if (entry && entry.node !== context.node && entry.internalUrl !== null) return entry
    const reason =
      entry === null ? 'no tunnel' : `registered at ${entry.node}, which cannot be reached from here`
    throw new AppError('ERR_HOST_OFFLINE', `Host ${hostId} has no tunnel at the moment`, { hostId, reason })
  }

  const isTunnel = (owner: Tunnel | DirectoryEntry): owner is Tunnel => 'streams' in owner

  const busy = (tunnel: Tunnel): AppError | null =>
    tunnel.streams.size >= config.maxPendingPerTunnel
      ? new AppError(
          'ERR_TUNNEL_BUSY',
          `${config.maxPendingPerTunnel} requests are pending on the tunnel of ${tunnel.hostId}`,
          {
            hostId: tunnel.hostId,
            maxPendingPerTunnel: config.maxPendingPerTunnel,
          },
        )
      : null

  const passOptions = (
    req: IncomingMessage,
    hostId: string,
    owner: DirectoryEntry,
    settled: (status: number) => void,
  ): PassOnOptions => {
    const client = clientOf(req)
    const forwarded = ['X-Forwarded-For', client.address, 'X-Forwarded-Proto', client.proto]
    if (client.host !== undefined) forwarded.push('X-Forwarded-Host', client.host)
    return {
      url: owner.internalUrl ?? '',
      node: owner.node,
      hostId,
      passKey: directory.passKey,
      forwarded,
      // A little more than the owner itself waits, so that its answer, not ours, reaches the client.
      responseTimeoutMs: config.responseTimeoutMs + 1_000,
      settled,
    }
  }

  const asAppError = (error: unknown): AppError => {
    if (error instanceof AppError) return error
    context.log.error({ err: error }, 'a public request could not be handled')
    return new AppError('ERR_INTERNAL', 'The relay could not handle this request')
  }

  const toHost = async (
    req: IncomingMessage,
    res: ServerResponse,
    destination: Destination,
  ): Promise<void> => {
    total += 1
    const exchange = begin('request')
    res.once('close', () => {
      exchange.finish()
      count(res.headersSent ? res.statusCode : 499)
    })
    exchange.abort = () => {
      answerError(res, 'ERR_DRAINING', 'This relay is draining', {}, true)
      res.destroy()
    }
    try {
      const { hostId, path } = destination
      const owner = await findOwner(req, hostId)
      if (res.destroyed) return
      if (!isTunnel(owner)) {
        exchange.abort = passRequestOn(
          req,
          res,
          passOptions(req, hostId, owner, () => undefined),
        )
        return
      }
      const full = busy(owner)
      if (full) throw full
      const stream = forwardRequest(owner, req, res, {
        path,
        headers: headersFor(req, destination),
        responseTimeoutMs: config.responseTimeoutMs,
        settled: () => undefined,
      })
      exchange.abort = () => {
        const begun = res.headersSent
        stream.reset('draining')
        answerError(res, 'ERR_DRAINING', 'This relay is draining and cut the request', { hostId }, true)
        if (begun) res.destroy()
      }
    } catch (error) {
      const failure = asAppError(error)
      // The rest of the body is not wanted: without `Connection: close` it would be read to its end.
      const close = !req.complete && req.headers['content-length'] !== undefined
      answerJson(res, failure.status, failure.toBody(), close || !options.accepting())
    }
  }

  const socketToHost = async (
    req: IncomingMessage,
    socket: Socket,
    head: Buffer,
    destination: Destination,
  ): Promise<void> => {
    total += 1
    const exchange = begin('connection')
    exchange.abort = () => socket.destroy()
    socket.once('close', () => exchange.finish())
    let counted = false
    const settled = (status: number): void => {
      if (counted) return
      counted = true
      count(status)
    }
    try {
      const { hostId, path } = destination
      const owner = await findOwner(req, hostId)
      if (socket.destroyed) return settled(499)
      if (!isTunnel(owner)) {
        exchange.abort = passUpgradeOn(req, socket, head, passOptions(req, hostId, owner, settled))
        return
      }
      const full = busy(owner)
      if (full) throw full
      const forwarded = forwardSocket(owner, req, socket, head, {
        path,
        headers: headersFor(req, destination),
        responseTimeoutMs: config.responseTimeoutMs,
        settled,
      })
      exchange.abort = () => forwarded.end(1001, 'This relay is draining')
    } catch (error) {
      const failure = asAppError(error)
      settled(failure.status)
      answerJson(refusedUpgradeResponse(req, socket), failure.status, failure.toBody(), true)
    }
  }

  /** What this listener answers itself: health, or a reason why it does not. */
  const answerOwn = (req: IncomingMessage, res: ServerResponse, path: string): void => {
    const closing = !options.accepting()
    const readiness = options.readiness()
    const isHealth = path === '/health' || path === '/healthz/live' || path === '/healthz/ready'
    if (isHealth && req.method !== 'GET' && req.method !== 'HEAD') {
      answerError(res, 'ERR_METHOD', `${path} answers GET and HEAD`, {}, closing)
    } else if (path === '/health') {
      answerJson(
        res,
        200,
        { ok: true, region: context.region, node: context.node, state: options.state() },
        closing,
      )
    } else if (path === '/healthz/live') {
      answerJson(res, 200, { ok: true }, closing)
    } else if (path === '/healthz/ready') {
      answerJson(res, readiness.ready ? 200 : 503, readiness, closing)
    } else if (path === '/tunnel') {
      answerError(
        res,
        'ERR_INVALID',
        'A tunnel begins with a WebSocket upgrade: GET /tunnel?hostId=…',
        {},
        closing,
      )
    } else if (closing) {
      answerError(res, 'ERR_DRAINING', 'This relay is draining and takes no new requests', {}, true)
    } else {
      answerError(res, 'ERR_NOT_FOUND', 'This relay serves /hosts/:hostId/* and /health')
    }
  }

  const pathOf = (req: IncomingMessage): string => (req.url ?? '/').split('?', 1)[0] ?? '/'

  return {
    request(req: IncomingMessage, res: ServerResponse): void {
      responses.add(res)
      res.once('close', () => responses.delete(res))
      res.on('error', (error) => context.log.debug({ err: error }, 'a public response failed'))
      req.on('error', (error) => context.log.debug({ err: error }, 'a public request failed'))
      const refusal = refusalOf(req)
      if (refusal !== null) {
        answerJson(res, refusal.status, refusal.error.toBody(), true)
        return
      }
      const destination = destinationOf(req)
      if (destination === null) answerOwn(req, res, pathOf(req))
      else if (options.accepting()) void toHost(req, res, destination)
      else answerError(res, 'ERR_DRAINING', 'This relay is draining and takes no new requests', {}, true)
    },

    upgrade(req: IncomingMessage, socket: Socket, head: Buffer): void {
      const refusal = refusalOf(req)
      if (refusal !== null) {
        answerJson(refusedUpgradeResponse(req, socket), refusal.status, refusal.error.toBody(), true)
        return
      }
      const destination = destinationOf(req)
      if (destination === null && pathOf(req) === '/tunnel') {
        registry.accept(req, socket, head)
        return
      }
      if (destination === null) answerOwn(req, refusedUpgradeResponse(req, socket), pathOf(req))
      else if (!options.accepting()) {
        const res = refusedUpgradeResponse(req, socket)
        answerError(res, 'ERR_DRAINING', 'This relay is draining and takes no new requests', {}, true)
      } else void socketToHost(req, socket, head, destination)
    },

    /** Responses that have not begun end their connection. */
    closeAfterAnswers(): void {
      for (const res of responses) res.shouldKeepAlive = false
    },

    counts(): RelayHealth['requests'] {
      return { total, pending: exchanges.size, byStatus: { ...byStatus } }
    },

    inFlight(): { connections: number; requests: number } {
      let connections = 0
      for (const exchange of exchanges) if (exchange.kind === 'connection') connections += 1
      return { connections, requests: exchanges.size - connections }
    },

    async whenIdle(signal: AbortSignal): Promise<void> {
      if (exchanges.size === 0 || signal.aborted) return
      await new Promise<void>((resolve) => {
        waiters.push(resolve)
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    },

    /** Cuts what is in flight and resolves when it is gone. */
    async abortRest(): Promise<{ connections: number; requests: number }> {
      const cut = this.inFlight()
      for (const exchange of [...exchanges]) exchange.abort()
      // Sockets end within their close grace; the limit is for what no promise covers.
      await this.whenIdle(AbortSignal.timeout(5_000))
      return cut
    },
  }
}
