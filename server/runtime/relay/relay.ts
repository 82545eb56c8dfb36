import { CLOSE } from '../../contract/close-codes.ts'
import { AppError } from '../../contract/errors.ts'
import type { Listener, RelayHealth } from '../../contract/health.ts'
import type { NodeTunnel } from '../../contract/node-api.ts'
import type { RelayConfig } from '../../contract/node-config.ts'
import type { NodeState } from '../../contract/states.ts'
import type { Directory } from '../directory/directory.ts'
import type { TunnelPart } from '../part/drain-parts.ts'
import type { PartContext, Readiness, ServingPart } from '../part/part.ts'
import { DirectoryLink } from './directory-link.ts'
import { PublicListener } from './public-listener.ts'
import { PublicTraffic } from './public-traffic.ts'
import { RELAY_TIMINGS, type RelayTimings } from './relay-timings.ts'
import { type DrainTunnelsOptions, TunnelDrain } from './tunnel-drain.ts'
import { TunnelRegistry } from './tunnel-registry.ts'

export interface RelayOptions {
  /** The node's own view of its state, for the public `/health`; default: from readiness. */
  state?: () => NodeState
  /** Where fellow relays of a shared directory reach this one; default: the address it listens on. */
  internalUrl?: string
  /** The directory is shared with other nodes, whatever its kind: their relays pass requests on to each other. */
  lent?: boolean
  timings?: Partial<RelayTimings>
}

/** An address that reaches a listener from this machine. */
const reachableHost = (host: string): string => {
  if (host === '0.0.0.0' || host === '') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

/** Nothing is bound yet, and nobody has said that the node serves. */
const STARTING: Readiness = { ready: false, reason: 'starting' }
/** How long hosts may take to close their sockets when the relay is destroyed. */
const DESTROY_GRACE_MS = 250

/**
 * The relay part of a node: hosts hold tunnels here, and public requests reach them through it. Nothing is bound before `start`. The
 * directory stays the caller's to close.
 */
export class Relay implements ServingPart, TunnelPart {
  readonly #config: RelayConfig
  readonly #context: PartContext
  readonly #directory: DirectoryLink
  readonly #options: RelayOptions
  readonly #timings: RelayTimings
  readonly #registry: TunnelRegistry
  readonly #traffic: PublicTraffic
  readonly #tunnelDrain: TunnelDrain
  /** While the port is bound. */
  #listener: PublicListener | null = null
  /** The one that was bound last: what it accepted may outlast its port. */
  #latest: PublicListener | null = null
  /** The actual port; kept while nothing listens on it, so that `resume` binds the same one. */
  #port: number | null = null
  #readiness: Readiness = STARTING
  /** From phase 2 of a drain on. */
  #retiring = false
  #cordoned = false
  /** From phase 3 of a drain on. */
  #endingTunnels = false
  #stopped = false

  constructor(config: RelayConfig, context: PartContext, directory: Directory, options: RelayOptions = {}) {
    this.#config = config
    this.#context = context
    this.#directory = new DirectoryLink(
      directory,
      context,
      () => this.#internalUrl(),
      options.lent === true ? 'shared' : directory.backend,
    )
    this.#options = options
    this.#timings = { ...RELAY_TIMINGS, ...options.timings }
    this.#registry = new TunnelRegistry({
      config,
      context,
      directory: this.#directory,
      timings: this.#timings,
      refusal: () => this.#refusal(),
    })
    this.#traffic = new PublicTraffic({
      config,
      context,
      registry: this.#registry,
      directory,
      link: this.#directory,
      stopped: () => this.#stopped,
      readiness: () => this.#readiness,
      state: () => options.state?.() ?? (this.#readiness.ready ? 'serving' : 'draining'),
    })
    this.#tunnelDrain = new TunnelDrain(this.#registry, this.#directory, this.#timings, context.log)
  }

  async start(): Promise<void> {
    if (this.#listener) return
    this.#stopped = false
    // Before the port is bound: a host that registers at once must not lose its new entry to the clearing of old ones.
    await this.#registry.start()
    await this.#bind(this.#port ?? this.#config.port)
    // Readiness is set from outside: the relay is one part of several.
    if (this.#readiness === STARTING) this.#readiness = { ready: true }
  }

  listeners(): Listener[] {
    if (this.#listener === null || this.#port === null) return []
    return [{ part: 'relay', host: this.#config.host, port: this.#port }]
  }

  setReadiness(readiness: Readiness): void {
    this.#readiness = readiness
  }

  async stopAccepting(): Promise<void> {
    this.#retiring = true
    this.#traffic.retire(true)
  }

  inFlight(): { connections: number; requests: number } {
    return this.#traffic.inFlight()
  }

  outstanding(): { connections: number; requests: number } {
    return this.#traffic.outstanding()
  }

  async whenIdle(signal: AbortSignal): Promise<void> {
    await this.#traffic.whenIdle(signal)
  }

  async abortRest(): Promise<{ connections: number; requests: number }> {
    return await this.#traffic.abortRest('holding')
  }

  async whenEmpty(signal: AbortSignal): Promise<void> {
    await this.#traffic.whenEmpty(signal)
  }

  async abortAll(): Promise<{ connections: number; requests: number }> {
    return await this.#traffic.abortRest('all')
  }

  async resume(): Promise<void> {
    if (this.#stopped)
      throw new AppError('ERR_CONFLICT', 'The relay was closed; a closed relay cannot resume')
    if (this.#listener === null && this.#port !== null) await this.#bind(this.#port)
    this.#retiring = false
    this.#endingTunnels = false
    this.#traffic.retire(false)
    await this.#registry.forgetDrain()
  }

  /** `resume` binds the same port. */
  async unbind(): Promise<void> {
    this.#listener?.unbind((signal) => this.#traffic.whenEmpty(signal))
    this.#listener = null
  }

  async close(): Promise<void> {
    this.#stopped = true
    await this.unbind()
    await this.#traffic.whenEmpty(AbortSignal.timeout(this.#timings.finishGraceMs))
    await this.#traffic.abortRest('all')
    await this.#registry.closeAll(...this.#closeReason(), this.#timings.closeGraceMs)
    this.#dispose()
  }

  async destroy(): Promise<void> {
    this.#stopped = true
    await this.unbind()
    const graceMs = Math.min(DESTROY_GRACE_MS, this.#timings.closeGraceMs)
    await Promise.all([
      this.#traffic.abortRest('all'),
      this.#registry.closeAll(...this.#closeReason(), graceMs),
    ])
    this.#latest?.destroy()
    this.#dispose()
  }

  stats(): RelayHealth {
    const { counts } = this.#registry
    return {
      tunnels: {
        current: this.#registry.size,
        registered: counts.registered,
        lost: counts.lost,
        reconnected: counts.reconnected,
        refused: { ...counts.refused },
        kept: this.#registry.keptCount,
      },
      closedBy: { ...counts.closedBy },
      requests: { ...this.#traffic.counts(), waiting: this.#latest?.waiting ?? 0 },
      directory: {
        backend: this.#directory.backend,
        reachable: this.#directory.reachable,
        entries: this.#directory.entries(),
        mismatches: this.#registry.mismatches,
      },
      cordoned: this.#cordoned,
    }
  }

  tunnels(): NodeTunnel[] {
    return this.#registry.all().map((tunnel) => tunnel.row())
  }

  /** Closes one tunnel; false where the host has none here. */
  closeTunnel(hostId: string, code: number, reason: string): boolean {
    return this.#registry.close(hostId, code, reason)
  }

  setCordon(on: boolean): void {
    this.#cordoned = on
  }

  async moveTunnels(options: DrainTunnelsOptions): Promise<void> {
    await this.#tunnelDrain.move(options)
  }

  async drainTunnels(options: DrainTunnelsOptions): Promise<{ moved: number; left: number }> {
    this.#endingTunnels = true
    return await this.#tunnelDrain.finish(options)
  }

  async endTunnels(): Promise<void> {
    await this.#tunnelDrain.end()
  }

  async #bind(port: number): Promise<void> {
    const listener = new PublicListener(this.#config, this.#traffic, this.#context.log)
    this.#port = await listener.listen(this.#config.host, port)
    this.#listener = listener
    this.#latest = listener
  }

  /** Why new tunnels are refused at the moment, or null. */
  #refusal(): string | null {
    if (this.#stopped) return 'This relay is stopping'
    if (this.#retiring || this.#endingTunnels) return 'This relay is draining'
    return this.#cordoned ? 'This relay takes no new tunnels: its region is being drained' : null
  }

  #internalUrl(): string | null {
    if (this.#options.internalUrl) return this.#options.internalUrl
    return this.#directory.backend === 'memory' || this.#port === null
      ? null
      : `http://${reachableHost(this.#config.host)}:${this.#port}`
  }

  #closeReason(): [code: number, reason: string] {
    return this.#endingTunnels || this.#cordoned || this.#retiring
      ? [CLOSE.drain, 'This relay is draining']
      : [CLOSE.going_away, 'This relay is going away']
  }

  #dispose(): void {
    this.#registry.dispose()
    this.#traffic.dispose()
  }
}

export const createRelay = (
  config: RelayConfig,
  context: PartContext,
  directory: Directory,
  options: RelayOptions = {},
): Relay => new Relay(config, context, directory, options)
