import type { SecureContext } from 'node:tls'
import type { Captures } from '../patterns/captures.ts'
import type { HeaderVersion } from '../proxy-protocol/send.ts'
import { isName } from './names.ts'
import { IdlePool } from './pool.ts'

/** Where a target listens. */
export interface Endpoint {
  readonly host: string
  readonly port: number
  /** The host is a name, not an address. */
  readonly named: boolean
}

/** How a target is spoken to by TLS. */
export interface TargetTls {
  /** Differs where trust or name differ. */
  readonly key: string
  readonly context: SecureContext
  /** Undefined: the target's host. */
  readonly servername: string | undefined
}

/** One target as a route names it. */
export interface TargetSpec {
  readonly route: string
  readonly host: string
  readonly port: number
  /** Null: in the clear. */
  readonly tls: TargetTls | null
  /** Its connections begin with a header of the PROXY protocol. */
  readonly header: HeaderVersion | null
}

export const keyOf = ({ route, host, port, tls, header }: TargetSpec): string =>
  JSON.stringify([route, host, port, tls?.key ?? null, header])

/** The state of a target in the table that is being built. */
export type Adopt = (spec: TargetSpec) => Target

/** One target of one route: its passive health, its live use and its idle HTTP connections. */
export class Target implements Endpoint {
  readonly route: string
  readonly host: string
  readonly port: number
  readonly name: string
  readonly named: boolean
  readonly key: string
  readonly tls: TargetTls | null
  readonly header: HeaderVersion | null
  /** What is asked for by TLS, and what its certificate must be for; undefined: its address. */
  readonly servername: string | undefined
  /** To resume: kept with the target alone, whose key says by whom it was trusted and under which name. */
  session: Buffer | undefined
  readonly pool = new IdlePool()
  active = 0
  connectFailures = 0
  downSince: number | null = null
  /** While down: when it is tried again, with a connection of our own; clients try it only when every target is down. */
  retryAt = 0

  constructor(spec: TargetSpec) {
    const { route, host, port, tls, header } = spec
    this.route = route
    this.host = host
    this.port = port
    this.tls = tls
    this.header = header
    this.key = keyOf(spec)
    this.named = isName(host)
    this.servername = tls?.servername ?? (this.named ? host : undefined)
    this.name = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  }
}

/** What a route chooses its targets from. */
export interface TargetChoice {
  /** Those that may be asked for a request, the first one first; at least one. */
  candidates(captures: Captures): Target[]
}

/** A target list of one route on one port, in configured order, with its round-robin position. */
export class TargetGroup implements TargetChoice {
  readonly targets: Target[]
  #next: number

  constructor(targets: Target[], turn = 0) {
    this.targets = targets
    this.#next = turn
  }

  /**
   * Every target once, those that are up in turn; those that are down come last, as a last resort. The turn is taken among those
   * that are up, so that the neighbour of a dead one gets no more than its share.
   */
  candidates(): Target[] {
    const { targets } = this
    if (targets.length === 1) return targets
    const up: Target[] = []
    const down: Target[] = []
    for (const target of targets) (target.downSince === null ? up : down).push(target)
    const turn = this.#next
    this.#next = (turn + 1) % 0x4000_0000
    const candidates: Target[] = []
    for (const list of [up, down]) {
      for (let at = 0; at < list.length; at += 1) candidates.push(list[(turn + at) % list.length]!)
    }
    return candidates
  }
}
