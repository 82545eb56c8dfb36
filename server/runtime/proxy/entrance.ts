import type { Socket } from 'node:net'
import type { ProxyConfig } from '../../contract/node-config.ts'
import { plainAddress } from '../../wire/plain-address.ts'
import { Link, NOBODY, type OnFault } from '../listen/link.ts'
import type { ConnectionBook } from './admit/connection-book.ts'
import { Identifying } from './admit/identify.ts'
import type { ConnectionRecord } from './connections/record.ts'
import { TlsEntrance } from './hello/tls-entrance.ts'
import { HttpConnection } from './http/connection.ts'
import type { HttpServices } from './http/services.ts'
import type { PortRoutes } from './routes/port-routes.ts'

export interface EntranceOptions {
  readonly config: ProxyConfig
  readonly book: ConnectionBook
  readonly http: HttpServices
  readonly onFault: OnFault
}

/**
 * A connection's way in: accepted (counted against the ceiling of all), identified (whose it is), admitted (the limits of that
 * address), then carried as TCP or HTTP until it is closed. Each stage goes on, waits for more within bounds, or ends the connection
 * with a reason.
 */
export class Entrance {
  readonly #options: EntranceOptions
  readonly #tls: TlsEntrance

  constructor(options: EntranceOptions) {
    this.#options = options
    const { book, config } = options
    this.#tls = new TlsEntrance({
      book,
      initialDataTimeoutMs: config.initialDataTimeoutMs,
      onFault: options.onFault,
      serveHttp: (link, record, routes, early) => this.#serve(link, record, routes, early),
    })
  }

  /** In the tick of the accept. */
  accept(socket: Socket, port: number, routes: PortRoutes): void {
    const { book, onFault } = this.#options
    const link = new Link(socket, NOBODY, onFault)
    const peer = { ip: plainAddress(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 }
    const record = book.accept(routes.speaks === 'tcp' ? 'tcp' : 'http', peer, port)
    if (!record) {
      link.destroy()
      return
    }
    if (socket.remoteAddress === undefined) {
      // Reset before we accepted it.
      link.destroy()
      book.close(record, 'client_gone_before_data')
      return
    }
    try {
      this.#identify(link, record, routes)
    } catch (error) {
      link.destroy()
      book.faulted(record, error)
    }
  }

  #identify(link: Link, record: ConnectionRecord, routes: PortRoutes): void {
    const { identifier } = routes
    if (!identifier || identifier.expects?.(record.client.ip) === false) {
      this.#admit(link, record, routes, null)
      return
    }
    const { book, config } = this.#options
    const go = (early: Buffer | null): void => this.#admit(link, record, routes, early)
    new Identifying(link, record, book, identifier, config.initialDataTimeoutMs, go).start()
  }

  #admit(link: Link, record: ConnectionRecord, routes: PortRoutes, early: Buffer | null): void {
    if (!this.#options.book.admit(record)) {
      link.destroy()
      return
    }
    const { speaks } = routes
    if (speaks === 'http') this.#serve(link, record, routes, early)
    else if (speaks === 'tls') this.#tls.enter(link, record, routes, early)
    else this.#carry(link, record, routes, early)
  }

  #serve(link: Link, record: ConnectionRecord, routes: PortRoutes, early: Buffer | null): void {
    new HttpConnection(link, record, this.#options.http, routes).start(early)
  }

  #carry(link: Link, record: ConnectionRecord, routes: PortRoutes, early: Buffer | null): void {
    const route = routes.pickTcp(record)
    if (!route) {
      link.destroy()
      this.#options.book.close(record, 'no_route')
      return
    }
    record.route = route.name
    const refusal = route.gate?.admit(record, this.#options.book.now)
    if (refusal) {
      link.destroy()
      this.#options.book.close(record, refusal)
      return
    }
    route.handler.carry(link, record, early)
  }
}
