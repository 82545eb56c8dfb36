import type { ErrorCode } from '../../../contract/errors.ts'
import type { RouteConfig } from '../../../contract/route-config.ts'
import type { RouteSecurity } from '../../../contract/route-security.ts'
import { AddressLimits } from '../admit/address-limits.ts'
import type { Refusal } from '../connections/close-reasons.ts'
import type { ConnectionRecord, Gate } from '../connections/record.ts'
import { AddressList } from './address-list.ts'
import { Credentials } from './credentials.ts'

export type RouteRefusal = Extract<
  Refusal,
  'route_ip_blocked' | 'route_limit_connections' | 'route_limit_per_ip' | 'route_limit_rate'
>

/** What a request that is not let in is answered. */
export interface RequestRefusal {
  readonly status: number
  readonly code: ErrorCode
  readonly message: string
  /** As it is counted. */
  readonly kind: string
  /** Why its connection ends; null where it may stay. */
  readonly reason: RouteRefusal | null
  /** Names and values in turn. */
  readonly fields: readonly string[]
}

const RETRY = ['Retry-After', '60']
const refusal = (
  status: number,
  code: ErrorCode,
  message: string,
  reason: RouteRefusal,
  fields: readonly string[] = [],
): RequestRefusal => ({ status, code, message, kind: reason, reason, fields })

const BY_REASON: Readonly<Record<RouteRefusal, RequestRefusal>> = {
  route_ip_blocked: refusal(403, 'ERR_FORBIDDEN', 'This address is not served here', 'route_ip_blocked'),
  route_limit_connections: refusal(
    503,
    'ERR_CAPACITY',
    'Too many connections are open here',
    'route_limit_connections',
    RETRY,
  ),
  route_limit_per_ip: refusal(
    429,
    'ERR_RATE_LIMITED',
    'Too many connections are open from this address',
    'route_limit_per_ip',
    RETRY,
  ),
  route_limit_rate: refusal(
    429,
    'ERR_RATE_LIMITED',
    'Too many connections were opened from this address',
    'route_limit_rate',
    RETRY,
  ),
}
const TOO_MANY_REQUESTS: RequestRefusal = {
  status: 429,
  code: 'ERR_RATE_LIMITED',
  message: 'Too many requests from this address',
  kind: 'route_request_rate',
  reason: null,
  fields: RETRY,
}

/**
 * Who may use one route, and how much: asked before its handler, so before a target is dialled. Connections are let in once, as the
 * client that they serve; requests each.
 */
export class RouteGate implements Gate {
  readonly #allowed: AddressList | null
  readonly #blocked: AddressList | null
  readonly #maxConnections: number
  readonly #connections: AddressLimits
  readonly #requests: AddressLimits | null
  readonly #credentials: Credentials | null
  readonly #unauthorized: RequestRefusal
  #open = 0

  constructor(security: RouteSecurity) {
    const { ipAllowList, ipBlockList, basicAuth, bearer } = security
    this.#allowed = ipAllowList ? new AddressList(ipAllowList) : null
    this.#blocked = ipBlockList ? new AddressList(ipBlockList) : null
    this.#maxConnections = security.maxConnections ?? Number.POSITIVE_INFINITY
    this.#connections = new AddressLimits(security)
    this.#requests =
      security.requestRatePerMinute === undefined
        ? null
        : new AddressLimits({ connectionRatePerMinute: security.requestRatePerMinute })
    this.#credentials = basicAuth || bearer ? new Credentials({ basicAuth, bearer }) : null
    this.#unauthorized = {
      status: 401,
      code: 'ERR_UNAUTHENTICATED',
      message: 'Credentials are needed here, and none that are good came with the request',
      kind: 'route_unauthorized',
      reason: null,
      fields: this.#credentials?.challenge ?? [],
    }
  }

  /** Lets a connection in and counts it until it leaves; once let in it stays so. Otherwise answers why not. */
  admit(record: ConnectionRecord, now: number): RouteRefusal | null {
    if (record.gate === this) return null
    record.gate?.leave(record)
    record.gate = null
    const { ip } = record.client
    if (this.#blocked?.has(ip) || this.#allowed?.has(ip) === false) return 'route_ip_blocked'
    if (this.#open >= this.#maxConnections) return 'route_limit_connections'
    const limit = this.#connections.take(ip, now)
    if (limit) return limit === 'limit_per_ip' ? 'route_limit_per_ip' : 'route_limit_rate'
    this.#open += 1
    record.gate = this
    return null
  }

  leave(record: ConnectionRecord): void {
    this.#open -= 1
    this.#connections.release(record.client.ip)
  }

  /** Why a request with these fields (names and values in turn) is not let in; null where it is. */
  ask(fields: readonly string[], record: ConnectionRecord, now: number): RequestRefusal | null {
    const reason = this.admit(record, now)
    if (reason) return BY_REASON[reason]
    // Also what comes without credentials counts: guessing is what is to be slow.
    if (this.#requests?.take(record.client.ip, now)) return TOO_MANY_REQUESTS
    return this.#credentials?.accept(fields) === false ? this.#unauthorized : null
  }

  /** Forgets the minutes that are over. */
  sweep(now: number): void {
    this.#connections.sweep(now)
    this.#requests?.sweep(now)
  }
}

/** The gates of all routes: one a route, on however many ports it stands. */
export class RouteGates {
  readonly #gates = new Map<string, { written: string; gate: RouteGate }>()
  readonly #before: RouteGates | null

  private constructor(before: RouteGates | null) {
    this.#before = before
  }

  static readonly none = new RouteGates(null)

  /** For the next set of routes: a route whose security is as it was keeps its gate, and all that it counts. */
  renewed(): RouteGates {
    const before = new RouteGates(null)
    for (const [name, entry] of this.#gates) before.#gates.set(name, entry)
    return new RouteGates(before)
  }

  /** Null where a route has none. */
  of({ name, security }: RouteConfig): RouteGate | null {
    if (!security) return null
    const known = this.#gates.get(name)
    if (known) return known.gate
    const written = JSON.stringify(security)
    const last = this.#before === null ? undefined : this.#before.#gates.get(name)
    const gate = last?.written === written ? last.gate : new RouteGate(security)
    this.#gates.set(name, { written, gate })
    return gate
  }

  sweep(now: number): void {
    for (const { gate } of this.#gates.values()) gate.sweep(now)
  }
}
