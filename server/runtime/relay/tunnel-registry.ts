import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { type WebSocket, WebSocketServer } from 'ws'
import { CLOSE, closeCode } from '../../contract/close-codes.ts'
import { HOST_ID_PATTERN } from '../../contract/ids.ts'
import type { RelayConfig } from '../../contract/node-config.ts'
import type { Directory, LostHolding } from '../directory/directory.ts'
import type { PartContext } from '../part/part.ts'
import { clipReason } from '../tunnel/close-reason.ts'
import { MAX_MESSAGE_BYTES, PROTOCOL_VERSIONS, SUBPROTOCOL } from '../tunnel/frames.ts'
import { answerPings } from '../tunnel/socket-fault.ts'
import { createHostTokens, type HostTokens } from './host-tokens.ts'
import { LeavingTunnels } from './leaving-tunnels.ts'
import type { RelayTimings } from './relay-timings.ts'
import { type HostReport, Tunnel } from './tunnel.ts'

/** Refused sockets that may linger in their close handshake; beyond it they are cut at once. */
const MAX_REFUSED_SOCKETS = 1_000
/** Events of refusals a second; the counters stay exact. */
const MAX_REFUSAL_EVENTS_PER_SECOND = 50

/** A host comes back so soon after a drain that was called off, if it finds no other relay. */
const TOLD_LATELY_MS = 60_000

export interface TunnelCounts {
  registered: number
  lost: number
  reconnected: number
  refused: Record<string, number>
  closedBy: Record<string, number>
}

export interface TunnelRegistryOptions {
  config: RelayConfig
  context: PartContext
  directory: Directory
  timings: RelayTimings
  /** Where fellow relays reach this one; null while nobody can. */
  internalUrl(): string | null
  /** Why new tunnels are refused with 4001 at the moment, or null. */
  refusal(): string | null
}

/** Close codes come from peers too: only known ones become keys of their own, so that the health document stays small. */
const countKey = (code: number): string =>
  closeCode(code) !== undefined || (code >= 1000 && code <= 1015) ? String(code) : 'other'

const bump = (counts: Record<string, number>, key: string): void => {
  counts[key] = (counts[key] ?? 0) + 1
}

const givenToken = (req: IncomingMessage): string | null => {
  const { authorization } = req.headers
  if (authorization !== undefined) {
    const bearer = /^Bearer +(\S+)$/i.exec(authorization)
    return bearer?.[1] ?? null
  }
  // Browsers cannot set headers on a WebSocket: there the token stands beside the subprotocol.
  const offered = (req.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
  return offered.includes(SUBPROTOCOL) ? (offered.find((name) => name !== SUBPROTOCOL) ?? null) : null
}

/** The tunnels of one relay: who may register, who is registered, and what the directory is told of it. */
export class TunnelRegistry {
  readonly counts: TunnelCounts = { registered: 0, lost: 0, reconnected: 0, refused: {}, closedBy: {} }
  /** When a host that was told to leave stood elsewhere last, on the monotonic clock. */
  lastMovedMs = 0
  /** Hosts for which the directory and this relay disagreed at the last refresh. */
  mismatches = 0
  readonly #options: TunnelRegistryOptions
  readonly #tokens: HostTokens
  readonly #tunnels = new Map<string, Tunnel>()
  /** Tunnels whose hosts have moved: each stays for the streams that are open on it. */
  readonly #leaving = new LeavingTunnels()
  readonly #closing = new Set<Tunnel>()
  readonly #refused = new Set<WebSocket>()
  readonly #registering = new Map<WebSocket, string>()
  /** Requests that wait for a host whose registration is under way. */
  readonly #arrivals = new Set<() => void>()
  /** Hosts that had a tunnel here before; bounded by the number of tokens. */
  readonly #seen = new Set<string>()
  readonly #server: WebSocketServer
  readonly #endSubscription: () => void
  #refresher: NodeJS.Timeout | null = null
  #refreshing = false
  #awaySince: number | null = null
  #refusalEvents = { second: 0, count: 0 }

  constructor(options: TunnelRegistryOptions) {
    this.#options = options
    this.#tokens = createHostTokens(options.config.tokens)
    const serverOptions = {
      noServer: true,
      clientTracking: false,
      autoPong: false,
      perMessageDeflate: false,
      maxPayload: MAX_MESSAGE_BYTES,
      maxFragments: 64,
      // Known to ws 8.19 and later, not yet to its types.
      closeTimeout: options.timings.closeGraceMs,
      handleProtocols: (offered: Set<string>): string | false =>
        offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false,
    }
    this.#server = new WebSocketServer(serverOptions)
    this.#endSubscription = options.directory.onLost((lost) => this.#superseded(lost))
  }

  get size(): number {
    return this.#tunnels.size
  }

  /** The tunnel that takes new requests for this host. */
  get(hostId: string): Tunnel | undefined {
    const tunnel = this.#tunnels.get(hostId)
    return tunnel?.entryRemoved || tunnel?.saysLeaving ? undefined : tunnel
  }

  /** A tunnel that is there although its host has moved: where the move came to nothing it still serves. */
  kept(hostId: string): Tunnel | undefined {
    return this.#leaving.of(hostId)
  }

  get keptCount(): number {
    return this.#leaving.size
  }

  all(): Tunnel[] {
    return [...this.#tunnels.values()]
  }

  /** Waits, where this host's registration is under way, until it is complete; `ms` at the longest. */
  async arrival(hostId: string, ms: number): Promise<Tunnel | undefined> {
    const untilMs = performance.now() + ms
    while (!this.get(hostId) && [...this.#registering.values()].includes(hostId)) {
      const leftMs = untilMs - performance.now()
      if (leftMs <= 0) break
      await new Promise<void>((resolve) => {
        const settle = (): void => {
          clearTimeout(timer)
          this.#arrivals.delete(settle)
          resolve()
        }
        const timer = setTimeout(settle, leftMs)
        this.#arrivals.add(settle)
      })
    }
    return this.get(hostId)
  }

  /** Removes what an earlier life of this node left in the directory, and starts refreshing. Never throws. */
  async start(): Promise<void> {
    const { context, config, timings, directory } = this.#options
    const removed = await this.ask(() => directory.clearNode(context.node)).catch(() => 0)
    if (removed > 0) context.emit('directory.stale_cleared', { entries: removed })
    if (this.#refresher) return
    const usual = Math.min(
      config.pingIntervalMs || 30_000,
      config.directoryTtlMs / 3 || Number.POSITIVE_INFINITY,
    )
    this.#refresher = setInterval(() => void this.#refresh(), Math.max(1, timings.refreshMs ?? usual))
  }

  /** A handshake on `/tunnel`. It is completed in any case: a refusal is a close frame that says why. */
  accept(req: IncomingMessage, socket: Socket, head: Buffer): void {
    this.#server.handleUpgrade(req, socket, head, (ws) => {
      ws.on('error', (error) => this.#options.context.log.debug({ err: error }, 'tunnel socket failed'))
      answerPings(ws, socket)
      this.#admit(ws, req, socket).catch((error: unknown) => {
        this.#options.context.log.error({ err: error }, 'a tunnel could not be admitted')
        this.#refuse(ws, null, CLOSE.relay_failed, 'The relay failed to register this tunnel')
      })
    })
  }

  close(hostId: string, code: number, reason: string): boolean {
    const tunnel = this.#tunnels.get(hostId)
    tunnel?.retire(code, reason)
    return tunnel !== undefined
  }

  /**
   * After a drain that was called off: tunnels that were told to leave stay and take requests again. A host that goes all the same
   * does as it was told; its tunnel here then ends as in the drain.
   */
  async forgetDrain(): Promise<void> {
    const removed: Tunnel[] = []
    for (const tunnel of this.all()) {
      tunnel.toldAtMs = null
      if (tunnel.saysLeaving) continue
      if (tunnel.entryRemoved) removed.push(tunnel)
      tunnel.entryRemoved = false
    }
    // What cannot be put back now is missing at the next refresh, and put back then.
    await Promise.allSettled(removed.map((tunnel) => this.#putBack(tunnel)))
  }

  /** Closes every tunnel, and cuts what has not closed within `graceMs`. */
  async closeAll(code: number, reason: string, graceMs: number): Promise<void> {
    for (const tunnel of [...this.all(), ...this.#leaving.all()]) tunnel.retire(code, reason)
    for (const ws of this.#registering.keys()) this.#refuse(ws, null, code, reason)
    const open = [...this.#closing].map((tunnel) => tunnel.closed)
    if (open.length > 0) await Promise.race([Promise.all(open), delay(graceMs, undefined, { ref: false })])
    for (const tunnel of this.#closing) tunnel.terminate()
    for (const ws of this.#refused) ws.terminate()
  }

  stop(): void {
    if (this.#refresher) clearInterval(this.#refresher)
    this.#refresher = null
  }

  dispose(): void {
    this.stop()
    this.#leaving.stop()
    this.#endSubscription()
  }

  /** Asks the directory and keeps track of whether it can be reached. */
  async ask<T>(question: () => Promise<T>): Promise<T> {
    const { context, directory } = this.#options
    try {
      const answer = await question()
      if (this.#awaySince !== null) {
        const awayMs = Math.round(performance.now() - this.#awaySince)
        this.#awaySince = null
        context.emit('directory.recovered', { backend: directory.backend, awayMs })
      }
      return answer
    } catch (error) {
      if (this.#awaySince === null) {
        this.#awaySince = performance.now()
        const reason = error instanceof Error ? error.message : String(error)
        context.log.warn({ err: error }, 'the directory cannot be reached')
        context.emit('directory.unreachable', { backend: directory.backend, reason: reason.slice(0, 256) })
      }
      throw error
    }
  }

  get directoryReachable(): boolean {
    return this.#awaySince === null && this.#options.directory.reachable()
  }

  async #admit(ws: WebSocket, req: IncomingMessage, socket: Socket): Promise<void> {
    const { config, context, directory, timings } = this.#options
    const query = new URL(req.url ?? '/', 'http://relay.invalid').searchParams
    const ids = query.getAll('hostId')
    const hostId = ids[0] ?? ''
    if (ids.length !== 1 || !HOST_ID_PATTERN.test(hostId)) {
      this.#refuse(ws, null, CLOSE.bad_request, 'hostId must be given once and match [a-z0-9-]{1,63}')
      return
    }
    const versions = query.get('v')
    if (
      versions !== null &&
      !versions.split(',').some((version) => PROTOCOL_VERSIONS.includes(Number(version)))
    ) {
      const known = PROTOCOL_VERSIONS.join(', ')
      this.#refuse(ws, hostId, CLOSE.bad_request, `No common protocol version; this relay speaks ${known}`)
      return
    }
    const verdict = this.#tokens.check(hostId, givenToken(req))
    if (verdict !== 'ok') {
      if (verdict === 'unknown')
        this.#refuse(ws, hostId, CLOSE.not_authenticated, 'No token, or one that is not known here')
      else this.#refuse(ws, hostId, CLOSE.wrong_host, `The token is another host's, not that of ${hostId}`)
      return
    }
    const drained = this.#options.refusal()
    if (drained !== null) {
      this.#refuse(ws, hostId, CLOSE.drain, drained)
      return
    }
    if (this.#tunnels.size + this.#registering.size >= config.maxTunnels && !this.#tunnels.has(hostId)) {
      this.#refuse(
        ws,
        hostId,
        CLOSE.try_again_later,
        `This relay holds ${config.maxTunnels} tunnels, which is its ceiling`,
      )
      return
    }

    this.#registering.set(ws, hostId)
    const registration = await this.#register(hostId, ws).finally(() => {
      this.#registering.delete(ws)
      // They look again once this host is in its place, or refused.
      setImmediate(() => {
        for (const settle of [...this.#arrivals]) settle()
      })
    })
    if (registration === null) {
      this.#refuse(ws, hostId, CLOSE.relay_failed, 'The directory could not be reached in three tries')
      return
    }
    const { fence, previous } = registration
    const giveBack = (): void => {
      this.ask(() => directory.unregister(hostId, fence)).catch(() => undefined)
    }
    // The drain may have begun, and the host may have left, while the directory was asked. One that has been taken from a tunnel which
    // stands is let in all the same, and leaves with the others: sent away, it would be nowhere.
    const takenOver = previous !== null && (previous.node !== context.node || this.#tunnels.has(hostId))
    const drainedMeanwhile = takenOver ? null : this.#options.refusal()
    if (drainedMeanwhile !== null || ws.readyState !== ws.OPEN) {
      giveBack()
      if (drainedMeanwhile !== null) this.#refuse(ws, hostId, CLOSE.drain, drainedMeanwhile)
      return
    }
    const older = this.#tunnels.get(hostId)
    if (older && older.fence > fence) {
      // Two registered at once and the answers came in the other order: the higher number is the newer one.
      this.#refuse(ws, hostId, CLOSE.replaced, 'A newer tunnel of this host has been registered')
      return
    }
    const returning = previous !== null || this.#seen.has(hostId)
    const tunnel = new Tunnel({
      hostId,
      log: context.log,
      fence,
      ws,
      socket,
      remoteAddress: socket.remoteAddress ?? '',
      pingIntervalMs: config.pingIntervalMs,
      reportWaitMs: timings.reportWaitMs,
      closeGraceMs: timings.closeGraceMs,
      onSaysMoved: () => {
        this.lastMovedMs = performance.now()
      },
      onSaysLeaving: (leaving) => {
        leaving.entryRemoved = true
        this.ask(() => directory.unregister(hostId, leaving.fence)).catch(() => undefined)
      },
      onRegistered: (registered, report) => this.#tellRegistered(registered, report, returning),
      onLost: (lost, code, reason, heldMs) => this.#tellLost(lost, code, reason, heldMs),
    })
    this.#seen.add(hostId)
    this.#tunnels.set(hostId, tunnel)
    this.counts.registered += 1
    if (returning) this.counts.reconnected += 1
    tunnel.sendText({
      type: 'registered',
      protocol: PROTOCOL_VERSIONS[0],
      node: context.node,
      region: context.region,
      hostId,
      fence,
      pingIntervalMs: config.pingIntervalMs,
    })
    if (this.#options.refusal() !== null) tunnel.sendDrain()
    // Told to leave in a drain that was called off just now, and back: asked for as well. Later it is a stranger of that name.
    const told = older?.lastToldMs ?? Number.NEGATIVE_INFINITY
    if (older && performance.now() - told < TOLD_LATELY_MS) this.#letGo(older, context.node)
    else older?.retire(CLOSE.replaced, 'Replaced by a newer tunnel of the same host')
  }

  async #register(hostId: string, ws: WebSocket) {
    const { context, directory, timings } = this.#options
    for (let attempt = 0; attempt < 3; attempt += 1) {
      if (attempt > 0) await delay(timings.registerRetryMs[attempt - 1] ?? 0)
      if (attempt > 0 && ws.readyState !== ws.OPEN) return null
      try {
        const { node, region } = context
        return await this.ask(() =>
          directory.register(hostId, { node, region, internalUrl: this.#options.internalUrl() }),
        )
      } catch (error) {
        context.log.warn(
          { err: error, hostId, attempt: attempt + 1 },
          'a tunnel could not be registered in the directory',
        )
      }
    }
    return null
  }

  #refuse(ws: WebSocket, hostId: string | null, code: number, reason: string): void {
    const { context } = this.#options
    if (this.#refused.has(ws)) return
    const clipped = clipReason(reason)
    bump(this.counts.refused, String(code))
    const second = Math.floor(performance.now() / 1000)
    if (this.#refusalEvents.second !== second) this.#refusalEvents = { second, count: 0 }
    this.#refusalEvents.count += 1
    if (this.#refusalEvents.count <= MAX_REFUSAL_EVENTS_PER_SECOND) {
      context.emit('tunnel.refused', { hostId, code, reason: clipped })
    }
    if (ws.readyState === ws.CLOSED) return
    this.#refused.add(ws)
    ws.on('close', () => this.#refused.delete(ws))
    ws.close(code, clipped)
    if (this.#refused.size > MAX_REFUSED_SOCKETS) ws.terminate()
  }

  #tellRegistered(tunnel: Tunnel, report: HostReport, returning: boolean): void {
    // A host that says it comes from elsewhere reconnected too, even though it is new here.
    if (!returning && report.gapMs !== null) this.counts.reconnected += 1
    this.#options.context.emit('tunnel.registered', { hostId: tunnel.hostId, ...report, fence: tunnel.fence })
  }

  #tellLost(tunnel: Tunnel, code: number, reason: string, heldMs: number): void {
    const { context, directory } = this.#options
    const { hostId, fence } = tunnel
    this.counts.lost += 1
    bump(this.counts.closedBy, countKey(code))
    if (code === CLOSE.replaced) context.emit('tunnel.replaced', { hostId, heldMs })
    const movedTo = tunnel.movedTo ?? tunnel.saysMovedTo
    context.emit('tunnel.lost', {
      hostId,
      code,
      reason: reason.slice(0, 256),
      heldMs,
      fence,
      ...(movedTo === null ? {} : { movedTo }),
    })
    this.#closing.add(tunnel)
    tunnel.closed.then(() => this.#closing.delete(tunnel))
    // The late close of a replaced tunnel finds its successor here and leaves it alone.
    if (this.#tunnels.get(hostId) === tunnel) this.#tunnels.delete(hostId)
    if (!tunnel.entryRemoved && tunnel.movedTo === null && code !== CLOSE.replaced) {
      this.ask(() => directory.unregister(hostId, fence)).catch(() => undefined)
    }
    this.#leaving.delete(tunnel)
  }

  #superseded(lost: LostHolding): void {
    const tunnel = this.#tunnels.get(lost.hostId)
    if (!tunnel || tunnel.fence !== lost.fence || lost.by.node === this.#options.context.node) return
    if (tunnel.wasTold) this.#letGo(tunnel, lost.by.node)
    else tunnel.retire(CLOSE.stale, `Relay ${lost.by.node} owns this host now`)
  }

  /** A host that was told to leave has made its new tunnel first: the old one stays for the streams that are open on it. */
  #letGo(tunnel: Tunnel, movedTo: string): void {
    const { timings } = this.#options
    tunnel.movedTo = movedTo
    tunnel.movedAtMs = performance.now()
    this.lastMovedMs = tunnel.movedAtMs
    if (this.#tunnels.get(tunnel.hostId) === tunnel) this.#tunnels.delete(tunnel.hostId)
    if (tunnel.lost) return
    const noticeEndsMs = (tunnel.toldAtMs ?? 0) + timings.drainNoticeMs
    const notBeforeMs = Math.max(noticeEndsMs, tunnel.movedAtMs + timings.movedLingerMs)
    this.#leaving.add(tunnel, notBeforeMs, (idle) => void this.#endKept(idle))
  }

  /** Nothing runs any more on the tunnel of a host that has moved: it is closed, unless the move came to nothing. */
  async #endKept(tunnel: Tunnel): Promise<void> {
    // What cannot be asked or put back is over all the same: nobody else would end it.
    if (await this.#isNowhere(tunnel)) await this.#takeBack(tunnel).catch(() => undefined)
    if (tunnel.movedTo !== null)
      tunnel.retire(CLOSE.drain, `This relay drains; ${tunnel.movedTo} holds the host`)
  }

  async #isNowhere({ hostId }: Tunnel): Promise<boolean> {
    if (this.#tunnels.has(hostId)) return false
    try {
      return (await this.ask(() => this.#options.directory.lookup(hostId))) === null
    } catch {
      return false
    }
  }

  /** The relay that had taken the host over lost it: better here, on a tunnel that stands, than nowhere. */
  async #takeBack(tunnel: Tunnel): Promise<void> {
    await this.#putBack(tunnel)
    if (tunnel.lost || this.#tunnels.has(tunnel.hostId)) return
    this.#leaving.delete(tunnel)
    tunnel.movedTo = null
    this.#tunnels.set(tunnel.hostId, tunnel)
  }

  /** Registers a tunnel that stands anew, where the directory has no entry for it. */
  async #putBack(tunnel: Tunnel): Promise<void> {
    const { directory, context } = this.#options
    const { node, region } = context
    const { hostId } = tunnel
    const { fence } = await this.ask(() =>
      directory.register(hostId, { node, region, internalUrl: this.#options.internalUrl() }),
    )
    tunnel.fence = fence
    if (tunnel.lost) await this.ask(() => directory.unregister(hostId, fence))
  }

  async #refresh(): Promise<void> {
    const { directory, context, config } = this.#options
    // One at a time: a directory that answers slowly is not asked faster than it answers.
    if (this.#refreshing) return
    this.#refreshing = true
    try {
      // Told to leave or not: until it has moved, this is where its requests go.
      const held = this.all().filter((tunnel) => !tunnel.entryRemoved)
      const fresh = held.filter((tunnel) => tunnel.fresh || config.pingIntervalMs === 0)
      const { missing, lost } = await this.ask(() =>
        directory.refresh(fresh.map(({ hostId, fence }) => ({ hostId, fence }))),
      )
      for (const tunnel of fresh) tunnel.fresh = false
      for (const holding of lost) this.#superseded(holding)
      for (const hostId of missing) {
        const tunnel = this.get(hostId)
        if (tunnel) await this.#putBack(tunnel)
      }
      const owners = await this.ask(() => directory.owners())
      let mismatches = 0
      for (const tunnel of this.all()) {
        if (!tunnel.entryRemoved && owners[tunnel.hostId] !== context.node) mismatches += 1
      }
      for (const [hostId, node] of Object.entries(owners)) {
        if (node === context.node && !this.#tunnels.has(hostId)) mismatches += 1
      }
      this.mismatches = mismatches
      for (const tunnel of this.#leaving.all()) {
        if (owners[tunnel.hostId] === undefined && (await this.#isNowhere(tunnel)))
          await this.#takeBack(tunnel)
      }
    } catch {
      // `ask` has told it; the next refresh tries again.
    } finally {
      this.#refreshing = false
    }
  }
}
