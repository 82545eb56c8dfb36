import type { ProxyConfig } from '../../../contract/node-config.ts'
import type { PartContext } from '../../part/part.ts'
import { type CloseReason, REFUSALS, type Refusal } from '../connections/close-reasons.ts'
import { ConnectionRecord, type Peer } from '../connections/record.ts'
import { AddressLimits } from './address-limits.ts'

/** Above this many a second, every hundredth closing record is emitted; the counts stay exact. */
const EVENTS_PER_SECOND = 100
const SAMPLE_ABOVE = 100
const FAULT_LOG_EVERY_MS = 1_000

const isRefusal = (reason: CloseReason): reason is Refusal =>
  (REFUSALS as readonly CloseReason[]).includes(reason)

/**
 * All connections and their counts. `accepted − closed = active` holds at every instant: a record is opened in the tick of the
 * accept and removed in the tick of the close, refusals included.
 *
 * A connection is opened in two steps. `accept` counts it against the ceiling of all connections, before a byte of it is read;
 * `admit` counts it against the limits of its client's address, once that is known, which may differ from the socket's peer.
 */
export class ConnectionBook {
  readonly records = new Map<string, ConnectionRecord>()
  readonly closedBy: Partial<Record<CloseReason, number>> = {}
  readonly rejected: Partial<Record<Refusal, number>> = {}
  /** Milliseconds, monotonic, as of the last sweep, accept or close. Never the start of a timeout: it would fire early. */
  now = performance.now()
  /** Called before a connection is opened, so that room can be made for it. */
  onOpening: (now: number) => void = () => undefined
  /** Called after each close, for those who wait until nothing is left. */
  onClosed: () => void = () => undefined

  readonly #config: ProxyConfig
  readonly #context: PartContext
  readonly #limits: AddressLimits
  #accepted = 0
  #closed = 0
  #bytesUpstream = 0
  #bytesDownstream = 0
  #faults = 0
  #faultLoggedAt = Number.NEGATIVE_INFINITY
  #emittedThisSecond = 0
  #countedAt = ''

  constructor(config: ProxyConfig, context: PartContext) {
    this.#config = config
    this.#context = context
    this.#limits = new AddressLimits(config)
  }

  get accepted(): number {
    return this.#accepted
  }

  get closed(): number {
    return this.#closed
  }

  /**
   * Opens a record for a socket that was just accepted. Null at the ceiling of connections: then the refusal is already counted and the
   * caller destroys the socket.
   */
  accept(protocol: 'tcp' | 'http', peer: Peer, port: number): ConnectionRecord | null {
    this.now = performance.now()
    this.onOpening(this.now)
    this.#accepted += 1
    if (this.records.size >= this.#config.maxConnections) {
      this.#refuse('limit_connections', peer.ip, port, null)
      return null
    }
    const record = new ConnectionRecord(`c${this.#accepted}`, protocol, peer, port, this.now)
    this.records.set(record.id, record)
    return record
  }

  /**
   * Lets in a connection whose client is known. False where a limit of its address is reached: then the record is already closed and the
   * caller destroys the socket.
   */
  admit(record: ConnectionRecord): boolean {
    const refusal = this.#limits.take(record.client.ip, this.now)
    if (refusal) {
      this.close(record, refusal)
      return false
    }
    record.admitted = true
    return true
  }

  /** Closes a record. A second call for the same record changes nothing. */
  close(record: ConnectionRecord, reason: CloseReason): void {
    if (!record.open) return
    record.open = false
    record.carrier = null
    record.clientHalf = 'closed'
    record.targetHalf = 'closed'
    this.records.delete(record.id)
    if (record.admitted) this.#limits.release(record.client.ip)
    record.gate?.leave(record)
    record.gate = null
    this.#bytesUpstream += record.bytesUpstream
    this.#bytesDownstream += record.bytesDownstream
    if (isRefusal(reason)) this.#refuse(reason, record.client.ip, record.port, record.route)
    else this.#close(record, reason)
    this.onClosed()
  }

  #close(record: ConnectionRecord, reason: CloseReason): void {
    this.#closed += 1
    this.closedBy[reason] = (this.closedBy[reason] ?? 0) + 1
    if (!this.#mayEmit()) return
    this.now = performance.now()
    this.#context.emit('connection.closed', {
      id: record.id,
      route: record.route,
      client: record.clientName,
      target: record.target,
      reason,
      bytesUpstream: record.bytesUpstream,
      bytesDownstream: record.bytesDownstream,
      durationMs: Math.round(this.now - record.openedAt),
    })
  }

  #refuse(reason: Refusal, client: string, port: number, route: string | null): void {
    this.#closed += 1
    this.closedBy[reason] = (this.closedBy[reason] ?? 0) + 1
    this.rejected[reason] = (this.rejected[reason] ?? 0) + 1
    if (this.#mayEmit()) this.#context.emit('connection.refused', { reason, client, port, route })
  }

  #mayEmit(): boolean {
    this.#emittedThisSecond += 1
    return this.#emittedThisSecond <= EVENTS_PER_SECOND || this.#emittedThisSecond % SAMPLE_ABOVE === 0
  }

  /** Once a second: the counts as an event, if anything changed, and a new allowance of closing records. */
  publishCounts(): void {
    this.#emittedThisSecond = 0
    const key = `${this.#accepted}/${this.#closed}`
    if (key === this.#countedAt) return
    this.#countedAt = key
    this.#context.emit('connections.counted', {
      active: this.records.size,
      accepted: this.#accepted,
      closed: this.#closed,
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

  /** Logs a fault, at most once a second. */
  noteFault(error: unknown): void {
    this.#faults += 1
    const now = performance.now()
    if (now - this.#faultLoggedAt < FAULT_LOG_EVERY_MS) return
    this.#faultLoggedAt = now
    this.#context.log.error(
      { err: error, count: this.#faults },
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
    this.#limits.sweep(this.now)
  }

  /** Bytes so far, those of open connections included. */
  bytes(): { upstream: number; downstream: number } {
    let upstream = this.#bytesUpstream
    let downstream = this.#bytesDownstream
    for (const record of this.records.values()) {
      upstream += record.bytesUpstream
      downstream += record.bytesDownstream
    }
    return { upstream, downstream }
  }
}
