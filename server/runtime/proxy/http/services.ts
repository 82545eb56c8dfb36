import type { ProxyConfig } from '../../../contract/node-config.ts'
import { statusClass } from '../../../wire/status-class.ts'
import type { CloseReason } from '../connections/close-reasons.ts'
import type { KernelTable } from '../connections/kernel-table.ts'
import type { ConnectionRecord } from '../connections/record.ts'
import type { Captures } from '../patterns/captures.ts'
import type { RouteGate } from '../security/route-gate.ts'
import type { RouteHandler } from './exchange.ts'
import type { RequestHead } from './head.ts'

/** Requests of the whole proxy, exact. */
export class RequestCounts {
  total = 0
  inFlight = 0
  readonly byStatus: Record<string, number> = {}
  /** Those that a route did not let in, by the kind of refusal. */
  readonly refused: Record<string, number> = {}

  answered(status: number): void {
    const key = statusClass(status)
    this.byStatus[key] = (this.byStatus[key] ?? 0) + 1
  }
}

/** What HTTP connections share. */
export interface HttpServices {
  readonly config: ProxyConfig
  readonly kernel: KernelTable
  readonly requests: RequestCounts
  /** HTTP connections that have become raw pipes (WebSocket). */
  readonly upgraded: { count: number }
  /** True from phase 2 of a drain on: every response says `Connection: close`. */
  retiring(): boolean
  /** Something in flight has ended. */
  settled(): void
  /** Logs an error of ours. */
  noteFault(error: unknown): void
  /** Closes a connection's record. */
  close(record: ConnectionRecord, reason: CloseReason): void
}

/** A route as a request finds it. */
export interface HttpRoute {
  readonly name: string
  readonly handler: RouteHandler
  /** Who may use it; null for everybody. */
  readonly gate: RouteGate | null
  /** What its path captures of a request; null where it captures nothing. */
  readonly captures: ((target: string) => Captures) | null
}

/** The port that a connection came in by: its routes may change while the connection lives. */
export interface HttpPort {
  /**
   * The route of a request; null when none takes it; `elsewhere` where it belongs to a name for which this connection's TLS was not
   * made (RFC 9110 §15.5.20).
   */
  pick(request: RequestHead, record: ConnectionRecord): HttpRoute | null | 'elsewhere'
  /** The port is gone: the connection may finish what it has. */
  readonly retired: boolean
}
