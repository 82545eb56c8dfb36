import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { CLOSE } from '../../contract/close-codes.ts'
import { AppError } from '../../contract/errors.ts'
import type { RelayHealth } from '../../contract/health.ts'
import { HOST_ID_PATTERN } from '../../contract/ids.ts'
import type { RelayConfig } from '../../contract/node-config.ts'
import type { NodeState } from '../../contract/states.ts'
import type { Directory, DirectoryEntry } from '../directory/directory.ts'
import type { PartContext, Readiness } from '../node/part.ts'
import { clipReason } from '../tunnel/close-reason.ts'
import {
  FENCE_HEADER,
  forwardedRequestHeaders,
  HOP_HEADER,
  PASS_HEADER,
} from '../tunnel/forwarded-headers.ts'
import type { HeaderList } from '../tunnel/frames.ts'
import { watchEarlyBytes } from './early-bytes.ts'
import { type Exchange, Exchanges } from './exchanges.ts'
import { type PassOnOptions, passRequestOn, passUpgradeOn } from './pass-on.ts'
import { clientKey, PendingRoom } from './pending-room.ts'
import { answerError, answerJson, hasBody, refusedUpgradeResponse } from './public-answer.ts'
import { originForm, refusalOf } from './public-refusal.ts'
import { forwardRequest } from './public-requests.ts'
import { createSocketForwarder } from './public-sockets.ts'
import { failureOfError, RequestFailures } from './request-failures.ts'
import type { Tunnel } from './tunnel.ts'
import type { TunnelRegistry } from './tunnel-registry.ts'

export interface PublicTrafficOptions {
  config: RelayConfig
  context: PartContext
  registry: TunnelRegistry
  directory: Directory
  /** The relay has ended: what still arrives is refused. */
  stopped(): boolean
  readiness(): Readiness
  state(): NodeState
}

/** Which host a request is for, and what it sees of the path. */
interface Destination {
  hostId: string
  path: string
  prefix: string | undefined
}

/** A request goes from relay to relay at most so often; each time the host must have registered anew in between. */
const MAX_HOPS = 4
/** How long a request waits for a host whose registration here is under way. */
const ARRIVAL_WAIT_MS = 1_000

/** How often the request was passed on already; what cannot be read counts as often enough. */
const hopsOf = (req: IncomingMessage): number => {
  const given = req.headers[HOP_HEADER]
  if (given === undefined) return 0
  const hops = Number(given)
  return Number.isInteger(hops) && hops > 0 ? hops : MAX_HOPS
}

/** How often the memory that slow clients hold is looked at. */
const RELIEF_MS = 500

const statusClass = (status: number): string =>
  status >= 100 && status <= 599 ? `${Math.floor(status / 100)}xx` : 'other'

/** The public side of a relay: health, and what goes to hosts. */
export const createPublicTraffic = (options: PublicTrafficOptions) => {
  const { config, context, registry, directory } = options
  const domain = config.domain?.toLowerCase().replace(/^\./, '')
  const forwardSocket = createSocketForwarder()
  const failures = new RequestFailures()
  const exchanges = new Exchanges(({ failure, formerOwner }) => {
    if (failure !== null) failures.count(failure, formerOwner)
  })
  const room = new PendingRoom()
  const relief = setInterval(() => room.relieve(config.maxBufferedBytes), RELIEF_MS)
  relief.unref()
  const responses = new Set<ServerResponse>()
  const byStatus: Record<string, number> = {}
  let total = 0
  /** Answers end their connections, so that clients dial anew, elsewhere. */
  const closing = (): boolean => exchanges.retiring || options.stopped()

  const count = (status: number): void => {
    const key = statusClass(status)
    byStatus[key] = (byStatus[key] ?? 0) + 1
  }

  const destinationOf = (req: IncomingMessage, url: string): Destination | null => {
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

  /** A request that a fellow passed on may go on once more where the host has registered anew since: fences ascend, so none circles. */
  const toldFence = (req: IncomingMessage): number | null => {
    const fence = passedByFellow(req) ? Number(req.headers[FENCE_HEADER] ?? Number.NaN) : Number.NaN
    return Number.isSafeInteger(fence) && hopsOf(req) < MAX_HOPS ? fence : null
  }

  /** Where the request goes: a tunnel here, the relay that owns the host, or an error that says why neither. */
  const findOwner = async (
    req: IncomingMessage,
    hostId: string,
    exchange: Exchange,
  ): Promise<Tunnel | DirectoryEntry> => {
    if (!HOST_ID_PATTERN.test(hostId))
      throw new AppError('ERR_NOT_FOUND', 'Host ids match [a-z0-9-]{1,63}', {})
    const local = registry.get(hostId)
    if (local) return local
    const passed = hopsOf(req) > 0
    const fence = toldFence(req)
    const loop = (): AppError =>
      new AppError(
        'ERR_LOOP',
        `Host ${hostId} has no tunnel here, and the request was passed on once already`,
        { hostId },
      )
    if (passed && fence === null) throw loop()
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
    // It may have registered here while the directory was asked, or be about to: the directory knows it before this relay does.
    const arrived =
      entry?.node === context.node ? await registry.arrival(hostId, ARRIVAL_WAIT_MS) : registry.get(hostId)
    if (arrived) return arrived
    const ascends = entry !== null && (fence === null || entry.fence > fence)
    if (ascends && entry.node !== context.node && entry.internalUrl !== null) return entry
    // Nowhere, but its old tunnel here stands: the relay to which it had moved lost it at once.
    const kept = entry === null ? registry.kept(hostId) : undefined
    if (kept) return kept
    const former = entry === null ? await formerOwnerOf(hostId) : null
    if (former === context.node && exchanges.retiring) {
      throw new AppError(
        'ERR_DRAINING',
        `This relay is draining; host ${hostId} has left it and is not registered elsewhere yet`,
        { hostId },
      )
    }
    exchange.formerOwner = former === context.node ? null : former
    if (passed) throw loop()
    const reason =
      entry === null ? 'no tunnel' : `registered at ${entry.node}, which cannot be reached from here`
    throw new AppError('ERR_HOST_OFFLINE', `Host ${hostId} has no tunnel at the moment`, { hostId, reason })
  }

  const formerOwnerOf = (hostId: string): Promise<string | null> =>
    directory.formerOwner(hostId).catch(() => null) // For the counts alone.

  const isTunnel = (owner: Tunnel | DirectoryEntry): owner is Tunnel => 'streams' in owner

  /** Room for one more request on a tunnel, if need be somebody else's. Throws `ERR_TUNNEL_BUSY` where nobody gives way. */
  const makeRoom = (tunnel: Tunnel, client: string): void => {
    const { hostId } = tunnel
    const { maxPendingPerTunnel } = config
    while (tunnel.streams.size >= maxPendingPerTunnel) {
      if (room.make(tunnel, client)) continue
      const sentence = `${maxPendingPerTunnel} requests are pending on the tunnel of ${hostId}`
      throw new AppError('ERR_TUNNEL_BUSY', sentence, { hostId, maxPendingPerTunnel })
    }
    if (tunnel.streams.clogged) {
      throw new AppError('ERR_TUNNEL_BUSY', `The tunnel of ${hostId} takes nothing at the moment`, { hostId })
    }
  }

  /** What a client is told whose place somebody else needed. */
  const whyItGaveWay = (why: 'slow' | 'share', hostId: string): AppError =>
    why === 'slow'
      ? new AppError(
          'ERR_REQUEST_TIMEOUT',
          `Room was needed on the tunnel of ${hostId}, and this request was the slowest`,
          { hostId },
        )
      : new AppError(
          'ERR_TUNNEL_BUSY',
          `The tunnel of ${hostId} is full, and this client holds most of its places`,
          { hostId, maxPendingPerTunnel: config.maxPendingPerTunnel },
        )

  /** How long the owner may be silent: as long as it waits for its host, or for a body that pauses. 0 waits for ever. */
  const ownerWaitMs = (req: IncomingMessage): number => {
    const { responseTimeoutMs, bodyIdleTimeoutMs } = config
    if (responseTimeoutMs === 0 || (hasBody(req) && bodyIdleTimeoutMs === 0)) return 0
    return Math.max(responseTimeoutMs, hasBody(req) ? bodyIdleTimeoutMs : 0) + 1_000
  }

  const passOptions = (
    req: IncomingMessage,
    hostId: string,
    owner: DirectoryEntry,
    exchange: Exchange,
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
      hop: hopsOf(req) + 1,
      fence: owner.fence,
      failed() {
        exchange.formerOwner = owner.node
        exchange.fail('owner_unreachable')
      },
      forwarded,
      // A little more than the owner itself waits, so that its answer, not ours, reaches the client.
      responseTimeoutMs: ownerWaitMs(req),
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
    const exchange = exchanges.begin('request')
    res.once('close', () => {
      exchange.finish()
      count(res.headersSent ? res.statusCode : 499)
    })
    exchange.cut = () => {
      answerError(res, 'ERR_DRAINING', 'This relay is draining', {}, true)
      res.destroy()
    }
    try {
      const { hostId, path } = destination
      const owner = await findOwner(req, hostId, exchange)
      if (res.destroyed) return
      if (!isTunnel(owner)) {
        exchange.cut = passRequestOn(
          req,
          res,
          passOptions(req, hostId, owner, exchange, () => undefined),
        )
        return
      }
      const client = clientKey(clientOf(req).address)
      makeRoom(owner, client)
      const { stream, clientPace } = forwardRequest(owner, req, res, {
        path,
        headers: headersFor(req, destination),
        responseTimeoutMs: config.responseTimeoutMs,
        bodyIdleTimeoutMs: config.bodyIdleTimeoutMs,
        readerIdleTimeoutMs: config.readerIdleTimeoutMs,
        settled: () => undefined,
      })
      const leave = room.take(owner, {
        client,
        clientPace,
        buffered: () => res.writableLength + stream.queuedBytes,
        waiting: () => !res.headersSent,
        giveWay(why) {
          const error = whyItGaveWay(why, hostId)
          const begun = res.headersSent
          exchange.fail(failureOfError(error))
          stream.reset('client_gone')
          answerJson(res, error.status, error.toBody(), true)
          if (begun) res.destroy()
        },
      })
      res.once('close', leave)
      exchange.over(owner, stream)
      exchange.cut = () => {
        const begun = res.headersSent
        stream.reset('draining')
        answerError(res, 'ERR_DRAINING', 'This relay is draining and cut the request', { hostId }, true)
        if (begun) res.destroy()
      }
    } catch (error) {
      const failure = asAppError(error)
      if (!res.destroyed) exchange.fail(failureOfError(failure))
      answerJson(res, failure.status, failure.toBody(), closing())
    }
  }

  const socketToHost = async (
    req: IncomingMessage,
    socket: Socket,
    head: Buffer,
    destination: Destination,
  ): Promise<void> => {
    total += 1
    const early = watchEarlyBytes(socket, head)
    const exchange = exchanges.begin('connection')
    exchange.cut = () => socket.destroy()
    socket.once('close', () => exchange.finish())
    let counted = false
    const settled = (status: number): void => {
      if (counted) return
      counted = true
      count(status)
    }
    try {
      const { hostId, path } = destination
      const owner = await findOwner(req, hostId, exchange)
      if (socket.destroyed) return settled(499)
      if (!isTunnel(owner)) {
        const passing = passOptions(req, hostId, owner, exchange, settled)
        exchange.cut = passUpgradeOn(req, socket, early, passing)
        return
      }
      const client = clientKey(clientOf(req).address)
      makeRoom(owner, client)
      let accepted = false
      const forwarded = forwardSocket(owner, req, socket, early, {
        path,
        headers: headersFor(req, destination),
        responseTimeoutMs: config.responseTimeoutMs,
        readerIdleTimeoutMs: config.readerIdleTimeoutMs,
        settled(status) {
          accepted = status === 101
          settled(status)
        },
      })
      const leave = room.take(owner, {
        client,
        clientPace: () => (forwarded.clientIsBehind() ? 0 : null),
        buffered: () => socket.writableLength + forwarded.stream.queuedBytes,
        waiting: () => !accepted,
        giveWay(why) {
          const error = whyItGaveWay(why, hostId)
          exchange.fail(failureOfError(error))
          forwarded.stream.reset('client_gone')
          if (accepted) forwarded.end(CLOSE.try_again_later, clipReason(error.message))
          else answerJson(refusedUpgradeResponse(req, socket), error.status, error.toBody(), true)
        },
      })
      socket.once('close', leave)
      exchange.over(owner, forwarded.stream)
      exchange.cut = () => forwarded.end(CLOSE.going_away, 'This relay is draining')
    } catch (error) {
      const failure = asAppError(error)
      if (!socket.destroyed) exchange.fail(failureOfError(failure))
      settled(failure.status)
      answerJson(refusedUpgradeResponse(req, socket), failure.status, failure.toBody(), true)
    }
  }

  /** What this listener answers itself: health, or a reason why it does not. */
  const answerOwn = (req: IncomingMessage, res: ServerResponse, path: string): void => {
    const close = closing()
    const readiness = options.readiness()
    const isHealth = path === '/health' || path === '/healthz/live' || path === '/healthz/ready'
    if (isHealth && req.method !== 'GET' && req.method !== 'HEAD') {
      answerError(res, 'ERR_METHOD', `${path} answers GET and HEAD`, {}, close)
    } else if (path === '/health') {
      answerJson(
        res,
        200,
        { ok: true, region: context.region, node: context.node, state: options.state() },
        close,
      )
    } else if (path === '/healthz/live') {
      answerJson(res, 200, { ok: true }, close)
    } else if (path === '/healthz/ready') {
      answerJson(res, readiness.ready ? 200 : 503, readiness, close)
    } else if (path === '/tunnel') {
      answerError(
        res,
        'ERR_INVALID',
        'A tunnel begins with a WebSocket upgrade: GET /tunnel?hostId=…',
        {},
        close,
      )
    } else if (close) {
      answerError(res, 'ERR_DRAINING', 'This relay is draining and takes no new requests', {}, true)
    } else {
      answerError(res, 'ERR_NOT_FOUND', 'This relay serves /hosts/:hostId/* and /health')
    }
  }

  /** What a handler could not answer itself costs its connection. */
  const contain = (socket: Socket, handled: Promise<void>): void => {
    handled.catch((error: unknown) => {
      context.log.error({ err: error }, 'a public request could not be handled')
      socket.destroy()
    })
  }

  const pathOf = (target: string): string => target.split('?', 1)[0] ?? '/'

  return {
    request(req: IncomingMessage, res: ServerResponse): void {
      if (closing()) res.shouldKeepAlive = false
      responses.add(res)
      res.once('close', () => responses.delete(res))
      res.on('error', (error) => context.log.debug({ err: error }, 'a public response failed'))
      req.on('error', (error) => context.log.debug({ err: error }, 'a public request failed'))
      const refusal = refusalOf(req)
      if (refusal !== null) {
        answerJson(res, refusal.status, refusal.error.toBody(), true)
        return
      }
      const target = originForm(req) ?? '/'
      const destination = destinationOf(req, target)
      if (destination === null) answerOwn(req, res, pathOf(target))
      else if (!options.stopped()) contain(req.socket, toHost(req, res, destination))
      else answerError(res, 'ERR_DRAINING', 'This relay is draining and takes no new requests', {}, true)
    },

    upgrade(req: IncomingMessage, socket: Socket, head: Buffer): void {
      const refusal = refusalOf(req)
      if (refusal !== null) {
        answerJson(refusedUpgradeResponse(req, socket), refusal.status, refusal.error.toBody(), true)
        return
      }
      const target = originForm(req) ?? '/'
      const destination = destinationOf(req, target)
      if (destination === null && pathOf(target) === '/tunnel') {
        registry.accept(req, socket, head)
        return
      }
      if (destination === null) answerOwn(req, refusedUpgradeResponse(req, socket), pathOf(target))
      else if (options.stopped()) {
        const res = refusedUpgradeResponse(req, socket)
        answerError(res, 'ERR_DRAINING', 'This relay is draining and takes no new requests', {}, true)
      } else contain(socket, socketToHost(req, socket, head, destination))
    },

    /**
     * From phase 2 of a drain on, or no longer: everything is served, but answers end their connections, and what begins now is
     * not waited for unless it lasts.
     */
    retire(on: boolean): void {
      exchanges.retiring = on
      if (on) for (const res of responses) res.shouldKeepAlive = false
    },

    dispose: () => clearInterval(relief),

    counts(): RelayHealth['requests'] {
      return {
        total,
        pending: exchanges.size,
        byStatus: { ...byStatus },
        failed: failures.byReason(),
        failedByFormerOwner: failures.byFormerOwner(),
      }
    },

    inFlight: () => exchanges.inFlight(),

    /** What a drain waits for. */
    outstanding: () => exchanges.inFlight(({ holdsDrain }) => holdsDrain),

    /** Resolves when nothing is in flight that a drain waits for (`Exchange.holdsDrain`), or when `signal` ends the wait. */
    whenIdle: (signal: AbortSignal): Promise<void> =>
      exchanges.whenNone(({ holdsDrain }) => holdsDrain, signal),

    /** Resolves when nothing at all is in flight, or when `signal` ends the wait. */
    whenEmpty: (signal: AbortSignal): Promise<void> => exchanges.whenNone(() => true, signal),

    /** Cuts what is in flight, or only what a drain waits for, and resolves when it is gone. */
    async abortRest(which: 'all' | 'holding'): Promise<{ connections: number; requests: number }> {
      const chosen = new Set<Exchange>()
      const cut = exchanges.cut(
        (exchange) => {
          if (which === 'holding' && !exchange.holdsDrain) return false
          chosen.add(exchange)
          return true
        },
        (error) => context.log.error({ err: error }, 'a public exchange could not be cut'),
      )
      // Sockets end within their close grace; the limit is for what no promise covers.
      await exchanges.whenNone((exchange) => chosen.has(exchange), AbortSignal.timeout(5_000))
      return cut
    },
  }
}
