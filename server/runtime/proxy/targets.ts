import { Socket } from 'node:net'
import type { ProxyHealth } from '../../contract/health.ts'
import type { ProxyConfig } from '../../contract/node-config.ts'
import type { PartContext } from '../part.ts'
import type { CloseReason } from './close-reasons.ts'
import { Link, type LinkOwner } from './link.ts'

const keyOf = (route: string, host: string, port: number): string => JSON.stringify([route, host, port])

/** The state of a target in the table that is being built. */
export type Adopt = (route: string, host: string, port: number) => Target

/** One target of one route: its passive health, its live use and its idle HTTP connections. */
export class Target {
  readonly route: string
  readonly host: string
  readonly port: number
  readonly name: string
  readonly key: string
  active = 0
  connectFailures = 0
  downSince: number | null = null
  /** While down: not tried before this, unless every target is down. */
  retryAt = 0
  /** Idle kept-alive connections, the latest last; each with the moment it became idle. */
  readonly idle: IdleLink[] = []

  constructor(route: string, host: string, port: number) {
    this.route = route
    this.host = host
    this.port = port
    this.key = keyOf(route, host, port)
    this.name = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  }
}

/** A target list of one route on one port, in configured order, with its round-robin position. */
export class TargetGroup {
  readonly targets: Target[]
  private next = 0

  constructor(targets: Target[]) {
    this.targets = targets
  }

  /** Every target once, round robin; those that are down come last, as a last resort. */
  candidates(now: number): Target[] {
    const { targets } = this
    if (targets.length === 1) return targets
    const start = this.next
    this.next = (start + 1) % targets.length
    const up: Target[] = []
    const down: Target[] = []
    for (let offset = 0; offset < targets.length; offset += 1) {
      const target = targets[(start + offset) % targets.length]!
      if (target.downSince !== null && now < target.retryAt) down.push(target)
      else up.push(target)
    }
    return down.length === 0 ? up : up.concat(down)
  }
}

/** How long a target that refused is left alone before one connection tries it again. */
const RETRY_DOWN_MS = 2_000
/** Idle target connections: how many a target, and how long. Node's own servers close theirs after 5 s. */
const MAX_IDLE = 256
const IDLE_MS = 30_000
/** Requests that may not be repeated use only connections that were busy this recently: a close is less likely to cross them. */
export const FRESH_IDLE_MS = 3_000

export type DialFailure = Extract<
  CloseReason,
  'backend_refused' | 'connect_timeout' | 'target_unreachable' | 'local_resources'
>

const failureOf = (error: NodeJS.ErrnoException): DialFailure => {
  switch (error.code) {
    case 'ECONNREFUSED':
    case 'ECONNRESET':
      return 'backend_refused'
    case 'ETIMEDOUT':
      return 'connect_timeout'
    case 'EMFILE':
    case 'ENFILE':
    case 'EADDRNOTAVAIL':
    case 'ENOBUFS':
    case 'ENOMEM':
      return 'local_resources'
    default:
      return 'target_unreachable'
  }
}

/** A target connection that waits for its next request. Anything the target does meanwhile ends it. */
class IdleLink implements LinkOwner {
  readonly link: Link
  readonly since: number
  private readonly target: Target

  constructor(link: Link, target: Target, since: number) {
    this.link = link
    this.target = target
    this.since = since
    link.owner = this
  }

  drop(): void {
    const at = this.target.idle.indexOf(this)
    if (at >= 0) this.target.idle.splice(at, 1)
    this.link.destroy()
  }

  onBytes(): boolean {
    this.drop()
    return true
  }
  onEnd(): void {
    this.drop()
  }
  onError(): void {
    this.drop()
  }
  onFlushed(): void {
    // A last write of the request before, reaching the kernel late.
  }
  onFinish(): void {
    this.drop()
  }
}

/** One attempt to connect to one of the candidates, in order. */
export class Dial implements LinkOwner {
  private readonly dialler: Dialler
  private readonly candidates: Target[]
  private readonly done: (link: Link | null, target: Target | null, failure: DialFailure | null) => void
  private at = 0
  private link: Link | null = null
  private startedAt = 0
  private settled = false

  constructor(
    dialler: Dialler,
    candidates: Target[],
    done: (link: Link | null, target: Target | null, failure: DialFailure | null) => void,
  ) {
    this.dialler = dialler
    this.candidates = candidates
    this.done = done
  }

  next(): void {
    const target = this.candidates[this.at]!
    const config = this.dialler.config
    this.startedAt = performance.now()
    const reader = Link.reader()
    const socket = new Socket({
      allowHalfOpen: true,
      onread: reader.onread,
      noDelay: true,
      keepAlive: config.tcpKeepAliveMs > 0,
      keepAliveInitialDelay: config.tcpKeepAliveMs,
    })
    const link = new Link(socket, this)
    reader.bind(link)
    this.link = link
    socket.once('connect', () => this.connected(link, target))
    socket.connect({ host: target.host, port: target.port })
  }

  private connected(link: Link, target: Target): void {
    if (this.settled || this.link !== link) return
    this.settled = true
    this.dialler.settle(this)
    this.dialler.markUp(target)
    this.done(link, target, null)
  }

  private failed(failure: DialFailure): void {
    if (this.settled) return
    this.link?.destroy()
    const target = this.candidates[this.at]!
    if (failure !== 'local_resources') this.dialler.markDown(target, failure)
    this.at += 1
    if (this.at < this.candidates.length && failure !== 'local_resources') {
      this.next()
      return
    }
    this.settled = true
    this.dialler.settle(this)
    this.done(null, target, failure)
  }

  sweep(now: number): void {
    if (now - this.startedAt >= this.dialler.config.connectTimeoutMs) this.failed('connect_timeout')
  }

  /** The client is gone: nobody hears of this dial again. */
  cancel(): void {
    if (this.settled) return
    this.settled = true
    this.dialler.settle(this)
    this.link?.destroy()
  }

  onBytes(): boolean {
    // Nothing is read before 'connect' has handed the link over.
    return true
  }
  onEnd(): void {
    this.failed('backend_refused')
  }
  onError(_link: Link, error: NodeJS.ErrnoException): void {
    this.failed(failureOf(error))
  }
  onFlushed(): void {
    // Nothing is written while dialling.
  }
  onFinish(): void {
    // As above.
  }
}

/** Dials targets, keeps their passive health and the pool of idle HTTP connections. */
export class Dialler {
  readonly config: ProxyConfig
  private readonly context: PartContext
  private readonly dials = new Set<Dial>()
  private targets = new Map<string, Target>()

  constructor(config: ProxyConfig, context: PartContext) {
    this.config = config
    this.context = context
  }

  /**
   * Replaces the targets by those that `build` asks for; those that were known keep their state and their pool, the pools of
   * the others are closed.
   */
  replaceTargets(build: (adopt: Adopt) => void): void {
    const next = new Map<string, Target>()
    build((route, host, port) => {
      const key = keyOf(route, host, port)
      const target = next.get(key) ?? this.targets.get(key) ?? new Target(route, host, port)
      next.set(key, target)
      return target
    })
    const before = this.targets
    this.targets = next
    for (const [key, target] of before) if (!next.has(key)) this.closeIdle(target)
  }

  dial(
    candidates: Target[],
    done: (link: Link | null, target: Target | null, failure: DialFailure | null) => void,
  ): Dial {
    const dial = new Dial(this, candidates, done)
    this.dials.add(dial)
    dial.next()
    return dial
  }

  settle(dial: Dial): void {
    this.dials.delete(dial)
  }

  markDown(target: Target, reason: DialFailure): void {
    target.connectFailures += 1
    const now = performance.now()
    target.retryAt = now + RETRY_DOWN_MS
    if (target.downSince !== null) return
    target.downSince = now
    this.context.emit('target.down', { route: target.route, target: target.name, reason })
  }

  markUp(target: Target): void {
    if (target.downSince === null) return
    const downMs = Math.round(performance.now() - target.downSince)
    target.downSince = null
    this.context.emit('target.up', { route: target.route, target: target.name, downMs })
  }

  /** An idle connection to this target, not older than `maxIdleMs`; the one used last, as it is the least likely to be stale. */
  takeIdle(target: Target, maxIdleMs: number): Link | null {
    const last = target.idle.at(-1)
    if (!last || performance.now() - last.since > maxIdleMs) return null
    target.idle.pop()
    return last.link
  }

  giveIdle(target: Target, link: Link): void {
    const known = this.targets.get(target.key) === target
    if (!known || target.idle.length >= MAX_IDLE || link.failed || link.ended || link.paused) {
      link.destroy()
      return
    }
    target.idle.push(new IdleLink(link, target, performance.now()))
  }

  sweep(now: number): void {
    for (const dial of this.dials) dial.sweep(now)
    for (const target of this.targets.values()) {
      // Oldest first: the pool is a stack.
      while (target.idle.length > 0 && now - target.idle[0]!.since > IDLE_MS) target.idle[0]!.drop()
    }
  }

  private closeIdle(target: Target): void {
    for (const idle of [...target.idle]) idle.drop()
  }

  health(limit: number): { items: ProxyHealth['targets']; total: number } {
    const items = [...this.targets.values()].slice(0, limit).map((target) => ({
      route: target.route,
      target: target.name,
      healthy: target.downSince === null,
      active: target.active,
      connectFailures: target.connectFailures,
    }))
    return { items, total: this.targets.size }
  }

  /** Idle connections to all targets are closed; the proxy stays usable. */
  closeAllIdle(): void {
    for (const target of this.targets.values()) this.closeIdle(target)
  }

  destroy(): void {
    for (const dial of [...this.dials]) dial.cancel()
    this.closeAllIdle()
  }
}
