import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { CLOSE } from '../../contract/close-codes.ts'
import { AppError } from '../../contract/errors.ts'
import type { RelayConfig } from '../../contract/node-config.ts'
import { plural, verbFor } from '../../contract/words.ts'
import type { Log } from '../../observe/log.ts'
import { statusClass } from '../../wire/status-class.ts'
import type { Directory, DirectoryEntry } from '../directory/directory.ts'
import { clipReason } from '../tunnel/close-reason.ts'
import { forwardedRequestHeaders } from '../tunnel/forwarded-headers.ts'
import type { HeaderList } from '../tunnel/frames.ts'
import type { Destination } from './destination.ts'
import { watchEarlyBytes } from './early-bytes.ts'
import type { Exchange, Exchanges } from './exchanges.ts'
import { type FellowRelays, hopsOf } from './fellow-relays.ts'
import { ForwardedRequest } from './forwarded-request.ts'
import { ForwardedSocket, PublicHandshakes } from './forwarded-socket.ts'
import { type HostFinder, isTunnel } from './host-finder.ts'
import { type PassOnOptions, passRequestOn, passUpgradeOn } from './pass-on.ts'
import { clientKey, PendingRoom } from './pending-room.ts'
import { answerError, answerJson, hasBody, refusedUpgradeResponse } from './public-answer.ts'
import { failureOfError } from './request-failures.ts'
import type { Tunnel } from './tunnel.ts'

export interface HostTrafficOptions {
  config: RelayConfig
  log: Log
  directory: Directory
  fellows: FellowRelays
  finder: HostFinder
  exchanges: Exchanges
  /** Answers end their connections. */
  closing(): boolean
}

/** How often the memory that slow clients hold is looked at. */
const RELIEF_MS = 500

/** Requests and WebSockets for hosts: each goes through a tunnel of this relay, or to the relay that owns the host. */
export class HostTraffic {
  readonly #options: HostTrafficOptions
  readonly #handshakes = new PublicHandshakes()
  readonly #room = new PendingRoom()
  readonly #relief: NodeJS.Timeout
  readonly #byStatus: Record<string, number> = {}
  #total = 0

  constructor(options: HostTrafficOptions) {
    this.#options = options
    const { maxBufferedBytes } = options.config
    this.#relief = setInterval(() => this.#room.relieve(maxBufferedBytes), RELIEF_MS)
    this.#relief.unref()
  }

  /** Answers by the class of their status, and how many requests there were. */
  counts(): { total: number; byStatus: Record<string, number> } {
    return { total: this.#total, byStatus: { ...this.#byStatus } }
  }

  dispose(): void {
    clearInterval(this.#relief)
  }

  /** Serves one request. Answers every failure itself; rejects only where that is impossible. */
  async request(req: IncomingMessage, res: ServerResponse, destination: Destination): Promise<void> {
    const { finder, exchanges } = this.#options
    this.#total += 1
    const exchange = exchanges.begin('request')
    res.once('close', () => {
      exchange.finish()
      this.#count(res.headersSent ? res.statusCode : 499)
    })
    exchange.cut = () => {
      answerError(res, 'ERR_DRAINING', 'This relay is draining', {}, true)
      res.destroy()
    }
    try {
      const owner = await finder.find(req, destination.hostId, exchange)
      if (res.destroyed) return
      if (isTunnel(owner)) this.#forwardRequest(owner, req, res, destination, exchange)
      else {
        const passing = this.#passing(req, destination.hostId, owner, exchange, () => undefined)
        exchange.cut = passRequestOn(req, res, passing)
      }
    } catch (error) {
      const failure = this.#asAppError(error)
      if (!res.destroyed) exchange.fail(failureOfError(failure))
      answerJson(res, failure.status, failure.toBody(), this.#options.closing())
    }
  }

  /** Serves one WebSocket upgrade. Answers every failure itself; rejects only where that is impossible. */
  async upgrade(req: IncomingMessage, socket: Socket, head: Buffer, destination: Destination): Promise<void> {
    const { finder, exchanges } = this.#options
    this.#total += 1
    const early = watchEarlyBytes(socket, head)
    const exchange = exchanges.begin('connection')
    exchange.cut = () => socket.destroy()
    socket.once('close', () => exchange.finish())
    let counted = false
    const settled = (status: number): void => {
      if (counted) return
      counted = true
      this.#count(status)
    }
    try {
      const owner = await finder.find(req, destination.hostId, exchange)
      if (socket.destroyed) return settled(499)
      if (!isTunnel(owner)) {
        const passing = this.#passing(req, destination.hostId, owner, exchange, settled)
        exchange.cut = passUpgradeOn(req, socket, early, passing)
        return
      }
      const client = this.#enter(owner, req)
      const forwarded = new ForwardedSocket(owner, { req, socket, early }, this.#handshakes, {
        path: destination.path,
        headers: this.#headersFor(req, destination),
        responseTimeoutMs: this.#options.config.responseTimeoutMs,
        readerIdleTimeoutMs: this.#options.config.readerIdleTimeoutMs,
        settled,
      })
      this.#holdSocket(owner, client, req, socket, forwarded, exchange)
    } catch (error) {
      const failure = this.#asAppError(error)
      if (!socket.destroyed) exchange.fail(failureOfError(failure))
      settled(failure.status)
      answerJson(refusedUpgradeResponse(req, socket), failure.status, failure.toBody(), true)
    }
  }

  #forwardRequest(
    tunnel: Tunnel,
    req: IncomingMessage,
    res: ServerResponse,
    destination: Destination,
    exchange: Exchange,
  ): void {
    const { responseTimeoutMs, bodyIdleTimeoutMs, readerIdleTimeoutMs } = this.#options.config
    const { hostId, path } = destination
    const client = this.#enter(tunnel, req)
    const forwarded = new ForwardedRequest(tunnel, req, res, {
      path,
      headers: this.#headersFor(req, destination),
      responseTimeoutMs,
      bodyIdleTimeoutMs,
      readerIdleTimeoutMs,
    })
    const { stream } = forwarded
    const leave = this.#room.take(tunnel, {
      client,
      clientPace: () => forwarded.clientPace(),
      buffered: () => res.writableLength + stream.queuedBytes,
      waiting: () => !res.headersSent,
      giveWay: (why) => {
        const error = this.#whyItGaveWay(why, hostId)
        const begun = res.headersSent
        exchange.fail(failureOfError(error))
        stream.reset('client_gone')
        answerJson(res, error.status, error.toBody(), true)
        if (begun) res.destroy()
      },
    })
    res.once('close', leave)
    exchange.over(tunnel, stream)
    exchange.cut = () => {
      const begun = res.headersSent
      stream.reset('draining')
      answerError(res, 'ERR_DRAINING', 'This relay is draining and cut the request', { hostId }, true)
      if (begun) res.destroy()
    }
  }

  #holdSocket(
    tunnel: Tunnel,
    client: string,
    req: IncomingMessage,
    socket: Socket,
    forwarded: ForwardedSocket,
    exchange: Exchange,
  ): void {
    const leave = this.#room.take(tunnel, {
      client,
      clientPace: () => (forwarded.clientIsBehind() ? 0 : null),
      buffered: () => socket.writableLength + forwarded.stream.queuedBytes,
      waiting: () => !forwarded.accepted,
      giveWay: (why) => {
        const error = this.#whyItGaveWay(why, tunnel.hostId)
        exchange.fail(failureOfError(error))
        forwarded.stream.reset('client_gone')
        if (forwarded.accepted) forwarded.end(CLOSE.try_again_later, clipReason(error.message))
        else answerJson(refusedUpgradeResponse(req, socket), error.status, error.toBody(), true)
      },
    })
    socket.once('close', leave)
    exchange.over(tunnel, forwarded.stream)
    exchange.cut = () => forwarded.end(CLOSE.going_away, 'This relay is draining')
  }

  /**
   * Makes room for one more request on a tunnel, if need be somebody else's; returns whose request it is. Throws `ERR_TUNNEL_BUSY` where
   * nobody gives way.
   */
  #enter(tunnel: Tunnel, req: IncomingMessage): string {
    const { hostId } = tunnel
    const { maxPendingPerTunnel } = this.#options.config
    const client = clientKey(this.#options.fellows.visitorOf(req).address)
    while (tunnel.streams.size >= maxPendingPerTunnel) {
      if (this.#room.make(tunnel, client)) continue
      const sentence = `${plural(maxPendingPerTunnel, 'request')} ${verbFor(maxPendingPerTunnel, 'is', 'are')} pending on the tunnel of ${hostId}`
      throw new AppError('ERR_TUNNEL_BUSY', sentence, { hostId, maxPendingPerTunnel })
    }
    if (tunnel.streams.clogged) {
      throw new AppError('ERR_TUNNEL_BUSY', `The tunnel of ${hostId} takes nothing at the moment`, { hostId })
    }
    return client
  }

  /** The answer for a client whose place somebody else needed. */
  #whyItGaveWay(why: 'slow' | 'share', hostId: string): AppError {
    const { maxPendingPerTunnel } = this.#options.config
    return why === 'slow'
      ? new AppError(
          'ERR_REQUEST_TIMEOUT',
          `Room was needed on the tunnel of ${hostId}, and this request was the slowest`,
          { hostId },
        )
      : new AppError(
          'ERR_TUNNEL_BUSY',
          `The tunnel of ${hostId} is full, and this client holds most of its places`,
          { hostId, maxPendingPerTunnel },
        )
  }

  #headersFor(req: IncomingMessage, { prefix }: Destination): HeaderList {
    return forwardedRequestHeaders(req.rawHeaders, { ...this.#options.fellows.visitorOf(req), prefix })
  }

  #passing(
    req: IncomingMessage,
    hostId: string,
    owner: DirectoryEntry,
    exchange: Exchange,
    settled: (status: number) => void,
  ): PassOnOptions {
    const { fellows, directory } = this.#options
    const visitor = fellows.visitorOf(req)
    const forwarded = ['X-Forwarded-For', visitor.address, 'X-Forwarded-Proto', visitor.proto]
    if (visitor.host !== undefined) forwarded.push('X-Forwarded-Host', visitor.host)
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
      responseTimeoutMs: this.#ownerWaitMs(req),
      settled,
    }
  }

  /**
   * How long the owner may be silent: as long as it waits for its host, or for a body that pauses, and a little more, so that its answer
   * reaches the client and not ours. 0 waits indefinitely.
   */
  #ownerWaitMs(req: IncomingMessage): number {
    const { responseTimeoutMs, bodyIdleTimeoutMs } = this.#options.config
    if (responseTimeoutMs === 0 || (hasBody(req) && bodyIdleTimeoutMs === 0)) return 0
    return Math.max(responseTimeoutMs, hasBody(req) ? bodyIdleTimeoutMs : 0) + 1_000
  }

  #count(status: number): void {
    const key = statusClass(status)
    this.#byStatus[key] = (this.#byStatus[key] ?? 0) + 1
  }

  #asAppError(error: unknown): AppError {
    if (error instanceof AppError) return error
    this.#options.log.error({ err: error }, 'a public request could not be handled')
    return new AppError('ERR_INTERNAL', 'The relay could not handle this request')
  }
}
