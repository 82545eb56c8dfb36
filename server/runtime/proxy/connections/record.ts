import type { NodeConnection } from '../../../contract/node-api.ts'
import { plainAddress } from '../../../wire/plain-address.ts'
import type { CloseReason } from './close-reasons.ts'

/** What carries a connection's bytes: asked by the sweep and by the verbs that end connections. */
export interface Carrier {
  /** Applies timeouts. `now` is the book's clock, in milliseconds. */
  sweep(now: number): void
  /** Ends it in this tick. */
  abort(reason: CloseReason): void
  /** Takes no new work: ends what is idle, lets go what is in flight. */
  retire(): void
  /** How long it has been kept open without a request; null when it is in use, or may never be ended to make room. */
  idleMs(now: number): number | null
  /** Whether the client keeps it waiting: for its first bytes, a head, a body, or to take an answer. */
  keepsWaiting(now: number): boolean
  /** Bytes that are held because a peer has not taken them, or has not sent the rest. */
  heldBytes(): number
}

/** An address and a port, as a connection's record shows them. */
export interface Peer {
  ip: string
  port: number
}

/** What counts a connection while it stands. */
export interface Gate {
  leave(record: ConnectionRecord): void
}

/** Versions of TLS by their names in the configuration. */
export type TlsVersion = '1.0' | '1.1' | '1.2' | '1.3'

/** What a client asked for when it began TLS. */
export interface TlsFacts {
  /** Lower case; null where it named none. */
  readonly serverName: string | null
  /** The highest version that it offered: that by which routes are chosen. */
  readonly version: TlsVersion | null
}

/** Whose connection it is, and where it came in; null once its socket is gone. `socket`: that of the client. */
export const originOf = (
  { client }: ConnectionRecord,
  { localAddress, localPort }: { localAddress?: string | undefined; localPort?: number | undefined },
): { client: Peer; local: Peer } | null =>
  localAddress === undefined || localPort === undefined || client.ip === ''
    ? null
    : { client, local: { ip: plainAddress(localAddress), port: localPort } }

/** One accepted connection, from accept to its closing record. Bytes count payload as read from the sockets. */
export class ConnectionRecord {
  readonly id: string
  /** Of a port with TLS: `http` until the hello says otherwise. */
  protocol: 'tcp' | 'http'
  /** The port that it came in by. */
  readonly port: number
  readonly openedAt: number
  /** Who is served: the socket's peer until the connection is identified, then the identified client. */
  client: Peer
  /** The limits of the client's address have let it in, and count it. */
  admitted = false
  route: string | null = null
  /** Of the route that serves it, where that has one: counts it until it leaves. */
  gate: Gate | null = null
  /** Null on a connection without TLS. */
  tls: TlsFacts | null = null
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
  #measuredAt: number
  #measuredBytes = 0
  #bytesPerMs = 0

  constructor(id: string, protocol: 'tcp' | 'http', peer: Peer, port: number, now: number) {
    this.id = id
    this.protocol = protocol
    this.client = peer
    this.port = port
    this.openedAt = now
    this.lastActivityAt = now
    this.#measuredAt = now
  }

  /** The client's address and port in one text. */
  get clientName(): string {
    const { ip, port } = this.client
    return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
  }

  /** Measures how fast bytes move, for `rate`. */
  measure(now: number): void {
    const bytes = this.bytesUpstream + this.bytesDownstream
    const forMs = now - this.#measuredAt
    if (forMs < 500) return
    this.#bytesPerMs = (bytes - this.#measuredBytes) / forMs
    this.#measuredAt = now
    this.#measuredBytes = bytes
  }

  /** Bytes a millisecond as measured last; null while the connection is younger than `afterMs`. */
  rate(now: number, afterMs: number): number | null {
    if (now - this.openedAt < afterMs) return null
    if (this.#measuredAt === this.openedAt)
      return (this.bytesUpstream + this.bytesDownstream) / (now - this.openedAt)
    return this.#bytesPerMs
  }

  describe(now: number): NodeConnection {
    return {
      id: this.id,
      route: this.route,
      client: this.clientName,
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
