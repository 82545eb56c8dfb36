import type { NodeConnection } from '../../../contract/node-api.ts'
import type { ProxyConfig } from '../../../contract/node-config.ts'
import type { PartContext } from '../../node/part.ts'
import { type CloseReason, REFUSALS, type Refusal } from '../connections/close-reasons.ts'

/** What carries a connection's bytes: asked by the sweep and by the verbs that end connections. */
export interface Carrier {
  /** Applies timeouts. `now` is the book's clock, in milliseconds. */
  sweep(now: number): void
  /** Ends it in this tick. */
  abort(reason: CloseReason): void
  /** Takes no new work: ends what is idle, lets go what is in flight. */
  retire(): void
  /** What it has in flight. */
  inFlight(): 'connection' | 'request' | 'nothing'
  /** For how long it has been kept open without a request; null when it is in use, or may never be ended to make room. */
  idleMs(now: number): number | null
  /** Whether it is the client that keeps it waiting: for a head, a body, or to take an answer. */
  keepsWaiting(now: number): boolean
  /** Bytes that are held because a peer has not taken them, or has not sent the rest. */
  heldBytes(): number
}

/** One accepted connection, from accept to its closing record. Bytes count payload as read from the sockets. */
export class ConnectionRecord {
  readonly id: string
  readonly protocol: 'tcp' | 'http'
  readonly clientIp: string
  readonly clientPort: number
  readonly port: number
  readonly openedAt: number
  route: string | null = null
  target: string | null = null
  bytesUpstream = 0
  bytesDownstream = 0
  /** When bytes moved last, as of the last sweep. */
  lastActivityAt: number
  /** Bytes moved since the last sweep. A flag, because a clock per chunk costs, and the last sweep's clock would end things early. */
  active = false
  clientHalf: NodeConnection['clientHalf'] = 'open'
  targetHalf: NodeConnection['targetHalf'] = 'connecting'
  carrier: Carrier | null = null
  open = true
  private measuredAt: number
  private measuredBytes = 0
  private bytesPerMs = 0

  constructor(
    id: string,
    protocol: 'tcp' | 'http',
    clientIp: string,
    clientPort: number,
    port: number,
    now: number,
  ) {
    this.id = id
    this.protocol = protocol
    this.clientIp = clientIp
    this.clientPort = clientPort
    this.port = port
    this.openedAt = now
    this.lastActivityAt = now
    this.measuredAt = now
  }

  get client(): string {
    return this.clientIp.includes(':')
      ? `[${this.clientIp}]:${this.clientPort}`
      : `${this.clientIp}:${this.clientPort}`
  }

  /** Takes the measure of how fast bytes move; for `rate`. */
  measure(now: number): void {
    const bytes = this.bytesUpstream + this.bytesDownstream
    const forMs = now - this.measuredAt
    if (forMs < 500) return
    this.bytesPerMs = (bytes - this.measuredBytes) / forMs
    this.measuredAt = now
    this.measuredBytes = bytes
  }

  /** Bytes a millisecond as measured last; null while the connection is younger than `afterMs`. */
  rate(now: number, afterMs: number): number | null {
    if (now - this.openedAt < afterMs) return null
    if (this.measuredAt === this.openedAt)
      return (this.bytesUpstream + this.bytesDownstream) / (now - this.openedAt)
    return this.bytesPerMs
  }

  describe(now: number): NodeConnection {
    return {
      id: this.id,
      route: this.route,
      client: this.client,
      target: this.target,
      protocol: this.protocol,
      ageMs: Math.round(now - this.openedAt),
      bytesUpstream: this.bytesUpstream,
      bytesDownstream: this.bytesDownstream,
      clientHalf: this.clientHalf,
      targetHalf: this.targetHalf,
      lastActivityMs: this.active ? 0 : Math.max(0, Math.round(now - this.lastActivityAt)),
    }
  }
}

/** Above this many a second, every hundredth closing record is emitted; the counts stay exact. */
const EVENTS_PER_SECOND = 100
const SAMPLE_ABOVE = 100
/** Addresses whose rate is remembered; beyond it the oldest is forgotten. */
const MAX_RATED_ADDRESSES = 100_000
const RATE_WINDOW_MS = 60_000
const FAULT_LOG_EVERY_MS = 1_000

/**
 * All connections and their counts. `accepted − closed = active` holds at every instant: a record is opened in the tick of the
 * accept and removed in the tick of the close, refusals included.
 */
export class ConnectionBook {
  readonly records = new Map<string, ConnectionRecord>()
  accepted = 0
  closed = 0
  readonly closedBy: Partial<Record<CloseReason, number>> = {}
  readonly rejected: Partial<Record<Refusal, number>> = {}
  bytesUpstream = 0
  bytesDownstream = 0
  /** Milliseconds, monotonic, as of the last sweep, accept or close. Never the start of a timeout: it would fire early. */
  now = performance.now()
  /** Called before a connection is opened, so that room can be made for it. */
  onOpening: (now: number) => void = () => undefined
  /** Called after each close, for those who wait until nothing is left. */
  onClosed: () => void = () => undefined

  private readonly perIp = new Map<string, number>()
  private readonly rates = new Map<string, { since: number; count: number }>()
  private faults = 0
  private faultLoggedAt = Number.NEGATIVE_INFINITY
  private lastId = 0
  private emittedThisSecond = 0
  private countedAt = ''
  private readonly config: ProxyConfig
  private readonly context: PartContext

  constructor(config: ProxyConfig, context: PartContext) {
    this.config = config
    this.context = context
  }

  /**
   * Opens a record for a socket that was just accepted, or refuses it: then the refusal is counted already and the caller
   * destroys the socket.
   */
  open(
    protocol: 'tcp' | 'http',
    clientIp: string,
    clientPort: number,
    port: number,
  ): ConnectionRecord | Refusal {
    this.now = performance.now()
    this.onOpening(this.now)
    this.accepted += 1
    const refusal = this.limit(clientIp)
    if (refusal) {
      this.refuse(refusal, clientIp, port, null)
      return refusal
    }
    this.lastId += 1
    const record = new ConnectionRecord(`c${this.lastId}`, protocol, clientIp, clientPort, port, this.now)
    this.records.set(record.id, record)
    if (this.config.maxConnectionsPerIp !== undefined) {
      this.perIp.set(clientIp, (this.perIp.get(clientIp) ?? 0) + 1)
    }
    return record
  }

  private limit(clientIp: string): Refusal | null {
    const { maxConnections, maxConnectionsPerIp, connectionRatePerMinute } = this.config
    if (this.records.size >= maxConnections) return 'limit_connections'
    if (maxConnectionsPerIp !== undefined && (this.perIp.get(clientIp) ?? 0) >= maxConnectionsPerIp) {
      return 'limit_per_ip'
    }
    if (connectionRatePerMinute === undefined) return null
    let rate = this.rates.get(clientIp)
    if (!rate || this.now - rate.since >= RATE_WINDOW_MS) {
      rate = { since: this.now, count: 0 }
      this.rates.delete(clientIp)
      this.rates.set(clientIp, rate)
      if (this.rates.size > MAX_RATED_ADDRESSES) {
        const oldest = this.rates.keys().next()
        if (!oldest.done) this.rates.delete(oldest.value)
      }
    }
    rate.count += 1
    return rate.count > connectionRatePerMinute ? 'limit_rate' : null
  }

  /** Closes a record. A second call for the same record changes nothing. */
  close(record: ConnectionRecord, reason: CloseReason): void {
    if (!record.open) return
    record.open = false
    record.carrier = null
    record.clientHalf = 'closed'
    record.targetHalf = 'closed'
    this.records.delete(record.id)
    if (this.config.maxConnectionsPerIp !== undefined) {
      const left = (this.perIp.get(record.clientIp) ?? 1) - 1
      if (left > 0) this.perIp.set(record.clientIp, left)
      else this.perIp.delete(record.clientIp)
    }
    this.bytesUpstream += record.bytesUpstream
    this.bytesDownstream += record.bytesDownstream
    if ((REFUSALS as readonly CloseReason[]).includes(reason)) {
      this.refuse(reason as Refusal, record.clientIp, record.port, record.route)
    } else {
      this.closed += 1
      this.closedBy[reason] = (this.closedBy[reason] ?? 0) + 1
      if (this.mayEmit()) {
        this.now = performance.now()
        this.context.emit('connection.closed', {
          id: record.id,
          route: record.route,
          client: record.client,
          target: record.target,
          reason,
          bytesUpstream: record.bytesUpstream,
          bytesDownstream: record.bytesDownstream,
          durationMs: Math.round(this.now - record.openedAt),
        })
      }
    }
    this.onClosed()
  }

  private refuse(reason: Refusal, client: string, port: number, route: string | null): void {
    this.closed += 1
    this.closedBy[reason] = (this.closedBy[reason] ?? 0) + 1
    this.rejected[reason] = (this.rejected[reason] ?? 0) + 1
    if (this.mayEmit()) this.context.emit('connection.refused', { reason, client, port, route })
  }

  private mayEmit(): boolean {
    this.emittedThisSecond += 1
    return this.emittedThisSecond <= EVENTS_PER_SECOND || this.emittedThisSecond % SAMPLE_ABOVE === 0
  }

  /** Once a second: the counts as an event, if anything changed, and a new allowance of closing records. */
  publishCounts(): void {
    this.emittedThisSecond = 0
    const key = `${this.accepted}/${this.closed}`
    if (key === this.countedAt) return
    this.countedAt = key
    this.context.emit('connections.counted', {
      active: this.records.size,
      accepted: this.accepted,
      closed: this.closed,
      closedBy: { ...this.closedBy },
    })
  }

  /** An error of ours that was met while a connection was served: it costs that connection. */
  faulted(record: ConnectionRecord, error: unknown): void {
    this.noteFault(error)
    try {
      record.carrier?.abort('internal_error')
    } catch (again) {
      this.noteFault(again)
    }
    this.close(record, 'internal_error')
  }

  /** Logs a fault, not more often than every second. */
  noteFault(error: unknown): void {
    this.faults += 1
    const now = performance.now()
    if (now - this.faultLoggedAt < FAULT_LOG_EVERY_MS) return
    this.faultLoggedAt = now
    this.context.log.error(
      { err: error, count: this.faults },
      'a fault while a connection was served; it was ended',
    )
  }

  /** Sweeps every connection. Carriers may close themselves meanwhile. */
  sweep(): void {
    this.now = performance.now()
    for (const record of this.records.values()) {
      if (record.active) {
        record.active = false
        record.lastActivityAt = this.now
      }
      try {
        record.carrier?.sweep(this.now)
      } catch (error) {
        this.faulted(record, error)
      }
    }
    for (const [address, rate] of this.rates) {
      // Insertion order is the order of `since`: the first that is young ends the search.
      if (this.now - rate.since < RATE_WINDOW_MS) break
      this.rates.delete(address)
    }
  }

  /** Bytes so far, those of open connections included. */
  bytes(): { upstream: number; downstream: number } {
    let upstream = this.bytesUpstream
    let downstream = this.bytesDownstream
    for (const record of this.records.values()) {
      upstream += record.bytesUpstream
      downstream += record.bytesDownstream
    }
    return { upstream, downstream }
  }
}
