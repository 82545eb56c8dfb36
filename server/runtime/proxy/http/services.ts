import type { ProxyConfig } from '../../../contract/node-config.ts'
import { statusClass } from '../../../wire/status-class.ts'
import type { ConnectionBook } from '../admit/connection-book.ts'
import type { KernelTable } from '../connections/kernel-table.ts'
import type { CompiledRoute } from '../routes/compile.ts'
import type { Dialler } from '../targets/dialler.ts'

/** Requests of the whole proxy, exact. */
export class RequestCounts {
  total = 0
  inFlight = 0
  readonly byStatus: Record<string, number> = {}

  answered(status: number): void {
    const key = statusClass(status)
    this.byStatus[key] = (this.byStatus[key] ?? 0) + 1
  }
}

/** What HTTP connections share. */
export interface HttpServices {
  readonly config: ProxyConfig
  readonly book: ConnectionBook
  readonly dialler: Dialler
  readonly kernel: KernelTable
  readonly requests: RequestCounts
  /** HTTP connections that have become raw pipes (WebSocket). */
  readonly upgraded: { count: number }
  /** True from phase 2 of a drain on: every response says `Connection: close`. */
  retiring(): boolean
  /** Something in flight has ended. */
  settled(): void
}

/** The listener a connection came in by: its routes may change while the connection lives. */
export interface HttpRoutes {
  readonly http: CompiledRoute[]
  /** The listener is gone: the connection may finish what it has. */
  readonly retired: boolean
}
