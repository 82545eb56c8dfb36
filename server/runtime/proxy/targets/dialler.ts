import type { ProxyHealth } from '../../../contract/health.ts'
import type { Link, OnFault } from '../../listen/link.ts'
import type { PartContext } from '../../part/part.ts'
import type { Origin } from '../proxy-protocol/send.ts'
import type { Connector } from './connector.ts'
import { Dial, type DialDone, type DialFailure, type DialOwner } from './dial.ts'
import { type Adopt, keyOf, Target } from './target.ts'

/** How long a target that refused is left alone before it is asked again, and how many are asked at a time. */
const RETRY_DOWN_MS = 2_000
const MAX_PROBES = 32
/** Targets that came with requests: clients choose their names. */
const MAX_COMPUTED = 1_000

/** Dials targets, keeps their passive health and their pools of idle HTTP connections. */
export class Dialler implements DialOwner {
  readonly connector: Connector
  readonly connectTimeoutMs: number
  readonly onFault: OnFault
  readonly #context: PartContext
  readonly #dials = new Set<Dial>()
  readonly #probes = new Map<Target, Dial>()
  #targets = new Map<string, Target>()
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
    build((spec) => {
      const key = keyOf(spec)
      const target = next.get(key) ?? this.#targets.get(key) ?? new Target(spec)
      next.set(key, target)
      return target
    })
    const before = this.#targets
    this.#targets = next
    this.#computed.clear()
    for (const [key, target] of before) if (!next.has(key)) target.pool.closeAll()
  }

  /** A target that is known only with a request. The one asked for longest ago is forgotten when there are too many. */
  readonly adoptLate: Adopt = (spec) => {
    const key = keyOf(spec)
    const target = this.#targets.get(key) ?? new Target(spec)
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
    const dial = new Dial(this, candidates, done, origin)
    this.#dials.add(dial)
    dial.next()
    return dial
  }

  settle(dial: Dial): void {
    this.#dials.delete(dial)
  }

  markDown(target: Target, reason: DialFailure): void {
    target.connectFailures += 1
    const now = performance.now()
    target.retryAt = now + RETRY_DOWN_MS
    if (target.downSince !== null) return
    target.downSince = now
    this.#context.emit('target.down', { route: target.route, target: target.name, reason })
    if (reason === 'connect_timeout') for (const dial of [...this.#dials]) dial.leave(target)
  }

  markUp(target: Target): void {
    if (target.downSince === null) return
    const downMs = Math.round(performance.now() - target.downSince)
    target.downSince = null
    this.#context.emit('target.up', { route: target.route, target: target.name, downMs })
  }

  /** Asks a target that is down by a connection of our own, so that no client pays for finding out. */
  #probe(target: Target): void {
    const { connector, connectTimeoutMs, onFault } = this
    const nothing = (): void => undefined
    const owner = {
      connector,
      connectTimeoutMs,
      onFault,
      markUp: nothing,
      markDown: nothing,
      settle: nothing,
    }
    const probed = (link: Link | null): void => {
      link?.destroy()
      this.#probes.delete(target)
      target.retryAt = performance.now() + RETRY_DOWN_MS
      if (link && this.#targets.get(target.key) === target) this.markUp(target)
    }
    const probe = new Dial(owner, [target], probed, null)
    this.#probes.set(target, probe)
    probe.next()
  }

  #sweepProbes(now: number): void {
    for (const probe of this.#probes.values()) probe.sweep(now)
    for (const target of this.#targets.values()) {
      if (this.#probes.size >= MAX_PROBES) return
      if (target.downSince !== null && now >= target.retryAt && !this.#probes.has(target)) this.#probe(target)
    }
  }

  /** Keeps a connection that is idle for the next request; ends it where its target is no longer wanted. */
  giveIdle(target: Target, link: Link, announcedMs: number | null): void {
    if (this.#targets.get(target.key) === target) target.pool.give(link, announcedMs)
    else link.destroy()
  }

  sweep(now: number): void {
    for (const dial of this.#dials) dial.sweep(now)
    this.#sweepProbes(now)
    for (const target of this.#targets.values()) target.pool.sweep(now)
  }

  health(limit: number): { items: ProxyHealth['targets']; total: number } {
    const items = [...this.#targets.values()].slice(0, limit).map((target) => ({
      route: target.route,
      target: target.name,
      healthy: target.downSince === null,
      active: target.active,
      connectFailures: target.connectFailures,
    }))
    return { items, total: this.#targets.size }
  }

  /** Idle connections to all targets are closed; the proxy stays usable. */
  closeAllIdle(): void {
    for (const target of this.#targets.values()) target.pool.closeAll()
  }

  destroy(): void {
    for (const dial of [...this.#dials]) dial.cancel()
    for (const probe of this.#probes.values()) probe.cancel()
    this.#probes.clear()
    this.closeAllIdle()
  }
}
