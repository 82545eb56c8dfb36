import type { ProxyHealth } from '../../../contract/health.ts'
import type { Link, OnFault } from '../../listen/link.ts'
import type { PartContext } from '../../part/part.ts'
import type { Origin } from '../proxy-protocol/send.ts'
import type { Connector } from './connector.ts'
import { Dial, type DialDone, type DialFailure, type DialOwner } from './dial.ts'
import { type Adopt, keyOf, Target } from './target.ts'

/** Targets that came with requests: clients choose their names. */
const MAX_COMPUTED = 1_000

/** Dials targets, says what becomes of their health, and keeps their pools of idle HTTP connections. */
export class Dialler implements DialOwner {
  readonly connector: Connector
  readonly connectTimeoutMs: number
  readonly onFault: OnFault
  readonly #context: PartContext
  readonly #dials = new Set<Dial>()
  /** Since the start, over all targets, also those that are gone. */
  readonly #failures = { connect: 0, unanswered: 0, check: 0 }
  #lastResort = 0
  #targets = new Map<string, Target>()
  /** Those that routes name, by route. */
  #byRoute = new Map<string, Target[]>()
  /** Those of them that came with requests, the one asked for longest ago first. */
  readonly #computed = new Map<string, Target>()

  constructor(connector: Connector, connectTimeoutMs: number, context: PartContext, onFault: OnFault) {
    this.connector = connector
    this.connectTimeoutMs = connectTimeoutMs
    this.#context = context
    this.onFault = onFault
  }

  /**
   * Replaces the targets by those that `build` asks for; those that were known keep their state and their pool, the pools of
   * the others are closed.
   */
  replaceTargets(build: (adopt: Adopt) => void): void {
    const next = new Map<string, Target>()
    const byRoute = new Map<string, Target[]>()
    build((spec) => {
      const key = keyOf(spec)
      const known = next.get(key)
      if (known) return known
      const target = this.#targets.get(key) ?? new Target(spec)
      target.configure(spec)
      next.set(key, target)
      const same = byRoute.get(spec.route)
      if (same) same.push(target)
      else byRoute.set(spec.route, [target])
      return target
    })
    const before = this.#targets
    this.#targets = next
    this.#byRoute = byRoute
    this.#computed.clear()
    for (const [key, target] of before) if (!next.has(key)) target.pool.closeAll()
  }

  /** A target that is known only with a request. The one asked for longest ago is forgotten when there are too many. */
  readonly adoptLate: Adopt = (spec) => {
    const key = keyOf(spec)
    const target = this.#targets.get(key) ?? new Target(spec)
    target.configure(spec)
    this.#computed.delete(key)
    this.#computed.set(key, target)
    this.#targets.set(key, target)
    if (this.#computed.size > MAX_COMPUTED) {
      const [oldest] = this.#computed.values()
      if (oldest) {
        this.#computed.delete(oldest.key)
        this.#targets.delete(oldest.key)
        oldest.pool.closeAll()
      }
    }
    return target
  }

  /** Connects to the first of the candidates that can be had. `done` is called once, unless the dial is cancelled. */
  dial(candidates: Target[], done: DialDone, origin: () => Origin | null): Dial {
    this.noteChosen(candidates)
    const dial = new Dial(this, candidates, done, origin)
    this.#dials.add(dial)
    dial.next()
    return dial
  }

  /** Somebody asks the first of these: a last resort where it is down and no other is up. */
  noteChosen([first, second]: readonly Target[]): void {
    if (!first || first.health.up || second?.health.up) return
    first.lastResort += 1
    this.#lastResort += 1
  }

  settle(dial: Dial): void {
    this.#dials.delete(dial)
  }

  connectFailed(target: Target, reason: DialFailure): void {
    target.connectFailures += 1
    this.#failures.connect += 1
    if (!target.health.connectFailed(reason, performance.now())) return
    this.#down(target, reason)
    if (reason === 'connect_timeout') for (const dial of [...this.#dials]) dial.leave(target)
  }

  connected(target: Target, ms: number): void {
    if (!target.answers) target.noteLatency(ms)
    const { downSince } = target.health
    const now = performance.now()
    if (target.health.connected(now)) this.#up(target, now - downSince!)
  }

  /** A request had no head of an answer in time. */
  unanswered(target: Target): void {
    target.unanswered += 1
    this.#failures.unanswered += 1
    if (target.health.unanswered(performance.now())) this.#down(target, 'response_timeout')
  }

  /** The head of an answer has come. `sentAt` null: its time was not taken. */
  answered(target: Target, sentAt: number | null): void {
    target.answers = true
    if (sentAt !== null) target.noteLatency(performance.now() - sentAt)
    const { downSince } = target.health
    if (downSince === null) {
      target.health.answered(0)
      return
    }
    const now = performance.now()
    if (target.health.answered(now)) this.#up(target, now - downSince)
  }

  /** What a check of our own has found; `fault` null: it passed. */
  checked(target: Target, fault: string | null, ms: number): void {
    const now = performance.now()
    const { health } = target
    const { downSince } = health
    if (fault !== null) {
      this.#failures.check += 1
      if (health.checkFailed(fault, now)) this.#down(target, fault)
      return
    }
    // That of answers is not mixed with that of connections.
    if (!target.answers || health.rules.check?.path != null) target.noteLatency(ms)
    if (health.checkPassed(now)) this.#up(target, now - downSince!)
  }

  /** What the single connection has found that asks a target that is down. */
  probed(target: Target, stands: boolean, ms: number): void {
    if (stands) this.connected(target, ms)
    else target.health.probeFailed(performance.now())
  }

  #knows(target: Target): boolean {
    return this.#targets.get(target.key) === target
  }

  #down(target: Target, reason: string): void {
    if (!this.#knows(target)) return
    const { route, name } = target
    const left = this.#byRoute.get(route)?.filter(({ health }) => health.up).length
    this.#context.emit('target.down', {
      route,
      target: name,
      reason,
      ...(left === undefined ? {} : { left }),
    })
  }

  #up(target: Target, downMs: number): void {
    target.credit = 0
    if (!this.#knows(target)) return
    this.#context.emit('target.up', {
      route: target.route,
      target: target.name,
      downMs: Math.round(downMs),
    })
  }

  /** All that routes, and requests, ask for now. */
  targets(): IterableIterator<Target> {
    return this.#targets.values()
  }

  /** Keeps a connection that is idle for the next request; ends it where its target is no longer wanted. */
  giveIdle(target: Target, link: Link, announcedMs: number | null): void {
    if (this.#knows(target)) target.pool.give(link, announcedMs)
    else link.destroy()
  }

  sweep(now: number): void {
    for (const dial of this.#dials) dial.sweep(now)
    for (const target of this.#targets.values()) target.pool.sweep(now)
  }

  /** What targets have cost. */
  counts(): Pick<ProxyHealth, 'targetFailures' | 'lastResort'> {
    return { targetFailures: { ...this.#failures }, lastResort: this.#lastResort }
  }

  /** Where there are too many to list, those that are down come first. */
  health(limit: number): { items: ProxyHealth['targets']; total: number } {
    const all = [...this.#targets.values()]
    if (all.length > limit) all.sort((a, b) => Number(a.health.up) - Number(b.health.up))
    const items = all.slice(0, limit).map((target) => ({
      route: target.route,
      target: target.name,
      healthy: target.health.up,
      reason: target.health.reason,
      active: target.active,
      latencyMs: target.latencyMs === null ? null : Math.round(target.latencyMs * 100) / 100,
      connectFailures: target.connectFailures,
      unanswered: target.unanswered,
      lastResort: target.lastResort,
    }))
    return { items, total: all.length }
  }

  /** Idle connections to all targets are closed; the proxy stays usable. */
  closeAllIdle(): void {
    for (const target of this.#targets.values()) target.pool.closeAll()
  }

  destroy(): void {
    for (const dial of [...this.#dials]) dial.cancel()
    this.closeAllIdle()
  }
}
