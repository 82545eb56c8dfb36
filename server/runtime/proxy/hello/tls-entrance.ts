import type { Link, OnFault } from '../../listen/link.ts'
import type { ConnectionBook } from '../admit/connection-book.ts'
import { type Identifier, Identifying, type Identity } from '../admit/identify.ts'
import type { ConnectionRecord } from '../connections/record.ts'
import type { PortRoutes } from '../routes/port-routes.ts'
import { alert } from '../tls/alerts.ts'
import { type ClientHello, ClientHelloReader, type HelloFault, MAX_HELLO_BYTES } from '../tls/client-hello.ts'
import { Handshake } from './handshake.ts'

/** What is said of a hello that cannot be taken; nothing to who does not speak TLS. */
const wordFor = (fault: HelloFault): { word?: Buffer } =>
  fault === 'not_tls'
    ? {}
    : { word: alert(fault === 'name_malformed' ? 'unrecognized_name' : 'decode_error') }

/** Reads the hello of one connection, and keeps it. */
class HelloIdentifier implements Identifier {
  readonly maxBytes = MAX_HELLO_BYTES
  readonly reason = 'bad_client_hello'
  readonly #reader = new ClientHelloReader()
  hello: ClientHello | null = null

  look(bytes: Buffer): Identity {
    const seen = this.#reader.look(bytes)
    if (seen.verdict === 'more') return seen
    if (seen.verdict === 'no') return { verdict: 'no', reason: seen.reason, ...wordFor(seen.fault) }
    this.hello = seen.hello
    return { verdict: 'on', taken: 0 }
  }
}

export interface TlsEntranceOptions {
  /** Milliseconds from the accept until the hello is complete; 0: no limit. */
  readonly initialDataTimeoutMs: number
  readonly book: ConnectionBook
  readonly onFault: OnFault
  /** Takes over a connection that speaks HTTP, once TLS has ended. */
  readonly serveHttp: (link: Link, record: ConnectionRecord, routes: PortRoutes, early: Buffer | null) => void
}

/**
 * The way in of a port with TLS: the hello is read without answering it, the name in it chooses the route, and who names nothing that is
 * served here is told so (RFC 6066 §3) and reaches nobody.
 */
export class TlsEntrance {
  readonly #options: TlsEntranceOptions

  constructor(options: TlsEntranceOptions) {
    this.#options = options
  }

  /** `early`: bytes that were read before the connection's turn here. */
  enter(link: Link, record: ConnectionRecord, routes: PortRoutes, early: Buffer | null): void {
    const { book, initialDataTimeoutMs } = this.#options
    const identifier = new HelloIdentifier()
    const go = (bytes: Buffer | null): void => {
      const { hello } = identifier
      if (hello && bytes) this.#route(link, record, routes, hello, bytes)
    }
    new Identifying(link, record, book, identifier, initialDataTimeoutMs, go).start(early)
  }

  #route(link: Link, record: ConnectionRecord, routes: PortRoutes, hello: ClientHello, bytes: Buffer): void {
    record.tls = { serverName: hello.serverName, version: hello.version }
    const route = routes.pickHello(record)
    if (!route) {
      link.part(alert('unrecognized_name'))
      this.#options.book.close(record, 'no_route')
      return
    }
    const http = 'path' in route
    if (!http) {
      record.route = route.name
      record.protocol = 'tcp'
      const refusal = route.gate?.admit(record, this.#options.book.now)
      if (refusal) {
        link.part(alert('access_denied'))
        this.#options.book.close(record, refusal)
        return
      }
    }
    if (!route.end) {
      if (!http) route.handler.carry(link, record, bytes)
      return
    }
    const { book, initialDataTimeoutMs, onFault, serveHttp } = this.#options
    const { context, alpn } = route.end
    if (!context) {
      // It is about to be had: who asks again later is served.
      link.part(alert('internal_error'))
      book.close(record, 'tls_failed')
      return
    }
    const go = (secure: Link): void => {
      if (http) serveHttp(secure, record, routes, null)
      else route.handler.carry(secure, record, null)
    }
    new Handshake({
      below: link,
      record,
      book,
      context,
      alpn,
      limitMs: initialDataTimeoutMs,
      onFault,
      go,
    }).start(bytes)
  }
}
