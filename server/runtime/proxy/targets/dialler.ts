import { Socket } from 'node:net'
import type { ProxyHealth } from '../../../contract/health.ts'
import type { ProxyConfig } from '../../../contract/node-config.ts'
import { Link, type LinkOwner, type OnFault } from '../../listen/link.ts'
import type { PartContext } from '../../node/part.ts'
import type { CloseReason } from '../connections/close-reasons.ts'
import { isName, Names } from './names.ts'

const keyOf = (route: string, host: string, port: number): string => JSON.stringify([route, host, port])

/** The state of a target in the table that is being built. */
export type Adopt = (route: string, host: string, port: number) => Target

/** One target of one route: its passive health, its live use and its idle HTTP connections. */
export class Target {
  readonly route: string
  readonly host: string
  readonly port: number
  readonly name: string
  /** The host is a name, not an address. */
  readonly named: boolean
  readonly key: string
  active = 0
  connectFailures = 0
  downSince: number | null = null
  /** While down: asked again then, by a connection of our own; clients try it only when every target is down. */
  retryAt = 0
  /** Idle kept-alive connections, the latest last; each with the moment it became idle. */
  readonly idle: IdleLink[] = []

  constructor(route: string, host: string, port: number) {
    this.route = route
    this.host = host
    this.port = port
    this.key = keyOf(route, host, port)
    this.named = isName(host)
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
    const turn = this.next
    this.next = (turn + 1) % 0x4000_0000
    const candidates: Target[] = []
    for (const list of [up, down]) {
      for (let at = 0; at < list.length; at += 1) candidates.push(list[(turn + at) % list.length]!)
    }
    return candidates
  }
}

/** How long a target that refused is left alone before it is asked again, and how many are asked at a time. */
const RETRY_DOWN_MS = 2_000
const MAX_PROBES = 32
/** Idle target connections: how many a target, and how long. Node's own servers close theirs after 5 s. */
const MAX_IDLE = 256
const IDLE_MS = 30_000
/** What a target announces in `Keep-Alive: timeout=N` is not used to the last: our request would cross its FIN. */
const ANNOUNCED_MARGIN_MS = 1_000
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
  readonly until: number
  private readonly target: Target

  constructor(link: Link, target: Target, since: number, until: number) {
    this.link = link
    this.target = target
    this.since = since
    this.until = until
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
    const link = new Link(socket, this, this.dialler.onFault)
    reader.bind(link)
    this.link = link
    socket.once('connect', () => {
      try {
        this.connected(link, target)
      } catch (error) {
        this.dialler.onFault(error)
        link.owner.onError(link, Object.assign(new Error('a fault of ours'), { code: 'ERR_INTERNAL' }))
      }
    })
    this.dialler.connect(socket, target)
  }

  /** The target was just found dead by another dial: waiting for it to the end would help nobody while there are others. */
  leave(target: Target): void {
    if (this.candidates[this.at] === target && this.at + 1 < this.candidates.length) this.failed(null)
  }

  private connected(link: Link, target: Target): void {
    if (this.settled || this.link !== link) return
    this.settled = true
    this.dialler.settle(this)
    this.dialler.markUp(target)
    this.done(link, target, null)
  }

  /** `failure` null: not this dial's own finding. */
  private failed(failure: DialFailure | null): void {
    if (this.settled) return
    const { link } = this
    this.link = null
    link?.destroy()
    const target = this.candidates[this.at]!
    this.at += 1
    if (failure !== null && failure !== 'local_resources') this.dialler.markDown(target, failure)
    if (this.at < this.candidates.length && failure !== 'local_resources') {
      this.next()
      return
    }
    this.settled = true
    this.dialler.settle(this)
    this.done(null, target, failure)
  }

  sweep(now: number): void {
    const limitMs = this.dialler.config.connectTimeoutMs
    if (limitMs > 0 && now - this.startedAt >= limitMs) this.failed('connect_timeout')
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
  onEnd(link: Link): void {
    if (link === this.link) this.failed('backend_refused')
  }
  onError(link: Link, error: NodeJS.ErrnoException): void {
    if (link === this.link) this.failed(failureOf(error))
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
  readonly onFault: OnFault
  private readonly context: PartContext
  private readonly names = new Names()
  private readonly dials = new Set<Dial>()
  private readonly probes = new Map<Target, { socket: Socket; since: number }>()
  private targets = new Map<string, Target>()

  constructor(config: ProxyConfig, context: PartContext, onFault: OnFault) {
    this.config = config
    this.context = context
    this.onFault = onFault
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

  connect(socket: Socket, target: Target): void {
    const { host, port } = target
    socket.connect(target.named ? { host, port, lookup: this.names.lookup } : { host, port })
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
    if (reason === 'connect_timeout') for (const dial of [...this.dials]) dial.leave(target)
  }

  /** Asks a target that is down by a connection of our own, so that no client pays for finding out. */
  private probe(target: Target, now: number): void {
    const socket = new Socket()
    this.probes.set(target, { socket, since: now })
    const over = (): void => {
      if (!this.probes.delete(target)) return
      target.retryAt = performance.now() + RETRY_DOWN_MS
      socket.destroy()
    }
    socket.on('error', over)
    socket.once('connect', () => {
      over()
      if (this.targets.get(target.key) === target) this.markUp(target)
    })
    this.connect(socket, target)
  }

  private sweepProbes(now: number): void {
    const limitMs = this.config.connectTimeoutMs
    for (const [target, { socket, since }] of this.probes) {
      if (limitMs === 0 || now - since < limitMs) continue
      this.probes.delete(target)
      target.retryAt = now + RETRY_DOWN_MS
      socket.destroy()
    }
    for (const target of this.targets.values()) {
      if (this.probes.size >= MAX_PROBES) return
      if (target.downSince !== null && now >= target.retryAt && !this.probes.has(target))
        this.probe(target, now)
    }
  }

  markUp(target: Target): void {
    if (target.downSince === null) return
    const downMs = Math.round(performance.now() - target.downSince)
    target.downSince = null
    this.context.emit('target.up', { route: target.route, target: target.name, downMs })
  }

  /** An idle connection to this target, not older than `maxIdleMs`; the one used last, as it is the least likely to be stale. */
  takeIdle(target: Target, maxIdleMs: number): Link | null {
    const now = performance.now()
    for (let last = target.idle.at(-1); last; last = target.idle.at(-1)) {
      if (now >= last.until) {
        last.drop()
        continue
      }
      if (now - last.since > maxIdleMs) return null
      target.idle.pop()
      return last.link
    }
    return null
  }

  /** `announcedMs`: how long the target says that it keeps the connection. */
  giveIdle(target: Target, link: Link, announcedMs: number | null): void {
    const known = this.targets.get(target.key) === target
    const keepMs = announcedMs === null ? IDLE_MS : Math.min(IDLE_MS, announcedMs - ANNOUNCED_MARGIN_MS)
    if (!known || keepMs <= 0 || target.idle.length >= MAX_IDLE || link.failed || link.ended || link.paused) {
      link.destroy()
      return
    }
    const now = performance.now()
    target.idle.push(new IdleLink(link, target, now, now + keepMs))
  }

  sweep(now: number): void {
    for (const dial of this.dials) dial.sweep(now)
    this.sweepProbes(now)
    for (const target of this.targets.values()) {
      // Oldest first: the pool is a stack, and a target announces the same each time.
      while (target.idle.length > 0 && now >= target.idle[0]!.until) target.idle[0]!.drop()
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
    for (const { socket } of this.probes.values()) socket.destroy()
    this.probes.clear()
    this.closeAllIdle()
  }
}
