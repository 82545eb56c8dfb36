import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { CLOSE, closeCode } from '../../contract/close-codes.ts'
import type { RelayConfig } from '../../contract/node-config.ts'
import { within } from '../../time/deadline.ts'
import type { LostHolding } from '../directory/directory.ts'
import type { PartContext } from '../part/part.ts'
import { PROTOCOL_VERSIONS } from '../tunnel/frames.ts'
import type { DirectoryLink } from './directory-link.ts'
import { LeavingTunnels } from './leaving-tunnels.ts'
import type { RelayTimings } from './relay-timings.ts'
import { type HostReport, Tunnel } from './tunnel.ts'
import { type Admitted, type Refusal, TunnelAdmission } from './tunnel-admission.ts'

/** How soon a host comes back after a drain that was called off, if it finds no other relay. */
const TOLD_LATELY_MS = 60_000
/** Between two refreshes of the directory where pings are off. */
const REFRESH_WITHOUT_PINGS_MS = 30_000

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
  directory: DirectoryLink
  timings: RelayTimings
  /** Why new tunnels are refused with 4001 at the moment, or null. */
  refusal(): string | null
}

/** Close codes come from peers too: only known ones become keys of their own, so that the health document stays small. */
const countKey = (code: number): string =>
  closeCode(code) !== undefined || (code >= 1000 && code <= 1015) ? String(code) : 'other'

/** The tunnels of one relay: who is registered, who has moved, and what the directory knows of it. */
export class TunnelRegistry {
  readonly counts: TunnelCounts
  /** When a host that was told to leave was last registered elsewhere, on the monotonic clock. */
  lastMovedMs = 0
  /** Hosts for which the directory and this relay disagreed at the last refresh. */
  mismatches = 0
  readonly #options: TunnelRegistryOptions
  readonly #admission: TunnelAdmission
  readonly #tunnels = new Map<string, Tunnel>()
  /** Tunnels whose hosts have moved: each stays for the streams that are open on it. */
  readonly #leaving = new LeavingTunnels()
  readonly #closing = new Set<Tunnel>()
  /** Hosts that had a tunnel here before; bounded by the number of tokens. */
  readonly #seen = new Set<string>()
  readonly #endSubscription: () => void
  #refresher: NodeJS.Timeout | null = null
  #refreshing = false

  constructor(options: TunnelRegistryOptions) {
    const { config, context, timings, directory, refusal } = options
    this.#options = options
    this.#admission = new TunnelAdmission({
      config,
      context,
      timings,
      directory,
      refusal,
      held: this.#tunnels,
      take: (admitted) => this.#take(admitted),
    })
    const { refused } = this.#admission
    this.counts = { registered: 0, lost: 0, reconnected: 0, refused, closedBy: {} }
    this.#endSubscription = directory.onLost((lost) => this.#superseded(lost))
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
    const isDecided = (): boolean => this.get(hostId) !== undefined || !this.#admission.isRegistering(hostId)
    await this.#admission.wait(isDecided, ms)
    return this.get(hostId)
  }

  /** Removes what an earlier life of this node left in the directory, and starts refreshing. Never throws. */
  async start(): Promise<void> {
    const { context, config, timings, directory } = this.#options
    const removed = await directory.clear().catch(() => 0)
    if (removed > 0) context.emit('directory.stale_cleared', { entries: removed })
    if (this.#refresher) return
    const usual = Math.min(
      config.pingIntervalMs || REFRESH_WITHOUT_PINGS_MS,
      config.directoryTtlMs / 3 || Number.POSITIVE_INFINITY,
    )
    this.#refresher = setInterval(() => void this.#refresh(), Math.max(1, timings.refreshMs ?? usual))
  }

  /** A handshake on `/tunnel`. */
  accept(req: IncomingMessage, socket: Socket, head: Buffer): void {
    this.#admission.accept(req, socket, head)
  }

  /** False where the host has no tunnel here. */
  close(hostId: string, code: number, reason: string): boolean {
    const tunnel = this.#tunnels.get(hostId)
    tunnel?.retire(code, reason)
    return tunnel !== undefined
  }

  /**
   * After a drain that was called off: tunnels that were told to leave stay and take requests again. A host that still leaves does as it
   * was told; its tunnel here then ends as in the drain.
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
    this.#admission.refuseAll(code, reason)
    const closed = Promise.all([...this.#closing].map((tunnel) => tunnel.closed))
    await within(graceMs, closed, { late: () => undefined })
    for (const tunnel of this.#closing) tunnel.terminate()
    this.#admission.cut()
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

  #take({ hostId, fence, previous, ws, socket }: Admitted): Refusal | null {
    const { config, context, directory, timings } = this.#options
    const older = this.#tunnels.get(hostId)
    if (older && older.fence > fence) {
      // Two registered at once and the answers came in the other order: the higher number is the newer one.
      return { hostId, code: CLOSE.replaced, reason: 'A newer tunnel of this host has been registered' }
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
        directory.unregisterSoon(hostId, leaving.fence)
      },
      onRegistered: (registered, report) => this.#reportRegistered(registered, report, returning),
      onLost: (lost, code, reason, heldMs) => this.#reportLost(lost, code, reason, heldMs),
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
    if (older) this.#succeed(older)
    return null
  }

  /** What becomes of a tunnel whose host has registered a newer one here. */
  #succeed(older: Tunnel): void {
    // Told to leave in a drain that was called off just now, and back: that is expected too. Later it would be a stranger of that name.
    const told = older.lastToldMs ?? Number.NEGATIVE_INFINITY
    if (performance.now() - told < TOLD_LATELY_MS) this.#letGo(older, this.#options.context.node)
    else older.retire(CLOSE.replaced, 'Replaced by a newer tunnel of the same host')
  }

  #reportRegistered(tunnel: Tunnel, report: HostReport, returning: boolean): void {
    // A host that says it comes from elsewhere reconnected too, even though it is new here.
    if (!returning && report.gapMs !== null) this.counts.reconnected += 1
    this.#options.context.emit('tunnel.registered', { hostId: tunnel.hostId, ...report, fence: tunnel.fence })
  }

  #reportLost(tunnel: Tunnel, code: number, reason: string, heldMs: number): void {
    const { context, directory } = this.#options
    const { hostId, fence } = tunnel
    this.counts.lost += 1
    const key = countKey(code)
    this.counts.closedBy[key] = (this.counts.closedBy[key] ?? 0) + 1
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
      directory.unregisterSoon(hostId, fence)
    }
    this.#leaving.delete(tunnel)
  }

  #superseded(lost: LostHolding): void {
    const tunnel = this.#tunnels.get(lost.hostId)
    if (!tunnel || tunnel.fence !== lost.fence || lost.by.node === this.#options.context.node) return
    if (tunnel.wasTold) this.#letGo(tunnel, lost.by.node)
    else tunnel.retire(CLOSE.stale, `Relay ${lost.by.node} owns this host now`)
  }

  /** A host that was told to leave has registered its new tunnel first: the old one stays for the streams that are open on it. */
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
    // What cannot be asked or put back ends as well: nothing else would end it.
    if (await this.#isNowhere(tunnel)) await this.#takeBack(tunnel).catch(() => undefined)
    if (tunnel.movedTo !== null)
      tunnel.retire(CLOSE.drain, `This relay drains; ${tunnel.movedTo} holds the host`)
  }

  async #isNowhere({ hostId }: Tunnel): Promise<boolean> {
    if (this.#tunnels.has(hostId)) return false
    try {
      return (await this.#options.directory.lookup(hostId)) === null
    } catch {
      return false
    }
  }

  /** The relay that had taken the host over lost it: better here, on a tunnel that is up, than nowhere. */
  async #takeBack(tunnel: Tunnel): Promise<void> {
    await this.#putBack(tunnel)
    if (tunnel.lost || this.#tunnels.has(tunnel.hostId)) return
    this.#leaving.delete(tunnel)
    tunnel.movedTo = null
    this.#tunnels.set(tunnel.hostId, tunnel)
  }

  /** Registers an open tunnel again, where the directory has no entry for it. */
  async #putBack(tunnel: Tunnel): Promise<void> {
    const { directory } = this.#options
    const { hostId } = tunnel
    const { fence } = await directory.register(hostId)
    tunnel.fence = fence
    if (tunnel.lost) await directory.unregister(hostId, fence)
  }

  async #refresh(): Promise<void> {
    const { directory, config } = this.#options
    // One at a time: a directory that answers slowly is not asked faster than it answers.
    if (this.#refreshing) return
    this.#refreshing = true
    try {
      // Told to leave or not: until it has moved, this is where its requests go.
      const held = this.all().filter((tunnel) => !tunnel.entryRemoved)
      const fresh = held.filter((tunnel) => tunnel.fresh || config.pingIntervalMs === 0)
      const { missing, lost } = await directory.refresh(fresh.map(({ hostId, fence }) => ({ hostId, fence })))
      for (const tunnel of fresh) tunnel.fresh = false
      for (const holding of lost) this.#superseded(holding)
      for (const hostId of missing) {
        const tunnel = this.get(hostId)
        if (tunnel) await this.#putBack(tunnel)
      }
      await this.#compare(await directory.owners())
    } catch {
      // The link to the directory has reported it; the next refresh tries again.
    } finally {
      this.#refreshing = false
    }
  }

  /** Counts where the directory and this relay disagree, and takes back hosts that are registered nowhere. */
  async #compare(owners: Record<string, string>): Promise<void> {
    const { node } = this.#options.context
    let mismatches = 0
    for (const tunnel of this.all()) {
      if (!tunnel.entryRemoved && owners[tunnel.hostId] !== node) mismatches += 1
    }
    for (const [hostId, owner] of Object.entries(owners)) {
      if (owner === node && !this.#tunnels.has(hostId)) mismatches += 1
    }
    this.mismatches = mismatches
    for (const tunnel of this.#leaving.all()) {
      if (owners[tunnel.hostId] === undefined && (await this.#isNowhere(tunnel))) await this.#takeBack(tunnel)
    }
  }
}
