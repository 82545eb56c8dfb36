import type { SecureContext } from 'node:tls'
import type { HeaderVersion } from '../proxy-protocol/send.ts'
import { isName } from './names.ts'
import { IdlePool } from './pool.ts'
import { type HealthRules, TargetHealth } from './target-health.ts'
import { hashOf } from './text-hash.ts'

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
  /** Its share beside the others of its route. */
  readonly weight: number
  readonly rules: HealthRules
}

export const keyOf = ({ route, host, port, tls, header }: TargetSpec): string =>
  JSON.stringify([route, host, port, tls?.key ?? null, header])

/** The state of a target in the table that is being built. */
export type Adopt = (spec: TargetSpec) => Target

/** The newest of the last latencies counts this much. */
const NEWEST = 1 / 8
/** With more in flight than this only each eighth request is timed: asking the clock twice costs, and nobody learns more. */
const BUSY = 8

/** One target of one route: its health, its live use and its idle HTTP connections. */
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
  readonly health: TargetHealth
  weight: number
  /** What it is owed by turns, in weights. */
  credit = 0
  /** What `client-hash` knows it by. */
  readonly hash: number
  /** Requests, or connections of bytes, that it has now, and those that are on their way to it. */
  active = 0
  dialling = 0
  connectFailures = 0
  /** Requests of which it sent no head in time. */
  unanswered = 0
  /** What was given to it although it was down, since no other was up. */
  lastResort = 0
  /** It is asked requests, so that its latency is that of answers and not of connections. */
  answers = false
  /** Milliseconds until the head of an answer, or until a connection of bytes stands: of the last ones; null before the first. */
  latencyMs: number | null = null
  /** When it is checked next; null before the first time. */
  checkAt: number | null = null
  #turn = 0

  constructor(spec: TargetSpec) {
    const { route, host, port, tls, header, weight, rules } = spec
    this.route = route
    this.host = host
    this.port = port
    this.tls = tls
    this.header = header
    this.weight = weight
    this.health = new TargetHealth(rules)
    this.key = keyOf(spec)
    this.named = isName(host)
    this.servername = tls?.servername ?? (this.named ? host : undefined)
    this.name = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
    this.hash = hashOf(this.name)
  }

  /** What its route says now; what is known of it stays. */
  configure({ weight, rules }: TargetSpec): void {
    this.weight = weight
    if (rules.check?.intervalMs !== this.health.rules.check?.intervalMs) this.checkAt = null
    this.health.rules = rules
  }

  /** When a request that is sent now was sent; null where its time is not taken. */
  timed(): number | null {
    this.#turn = (this.#turn + 1) & 7
    return this.active <= BUSY || this.#turn === 0 ? performance.now() : null
  }

  noteLatency(ms: number): void {
    this.latencyMs = this.latencyMs === null ? ms : this.latencyMs + (ms - this.latencyMs) * NEWEST
  }
}
