import type { Server } from 'node:http'
import { CLOSE } from '../../contract/close-codes.ts'
import { AppError } from '../../contract/errors.ts'
import type { Listener, RelayHealth } from '../../contract/health.ts'
import type { NodeTunnel } from '../../contract/node-api.ts'
import type { RelayConfig } from '../../contract/node-config.ts'
import type { NodeState } from '../../contract/states.ts'
import type { Directory } from '../directory/directory.ts'
import { listen as listenOn } from '../listen/listen.ts'
import type { PartContext, Readiness, ServingPart } from '../node/part.ts'
import { createPublicListener } from './public-listener.ts'
import { createPublicTraffic } from './public-traffic.ts'
import { RELAY_TIMINGS, type RelayTimings } from './relay-timings.ts'
import { type DrainTunnelsOptions, TunnelDrain } from './tunnel-drain.ts'
import { TunnelRegistry } from './tunnel-registry.ts'

export interface RelayOptions {
  /** The node's own view of its state, for the public `/health`; default: from readiness. */
  state?: () => NodeState
  /** Where fellow relays of a shared directory reach this one; default: the address it listens on. */
  internalUrl?: string
  timings?: Partial<RelayTimings>
}

/** The relay part of a node: hosts hold tunnels here, and public requests reach them through it. */
export interface Relay extends ServingPart {
  stats(): RelayHealth
  tunnels(): NodeTunnel[]
  /** Closes one tunnel; false where the host has none here. */
  closeTunnel(hostId: string, code: number, reason: string): boolean
  /** New tunnels are refused with 4001 while on; everything else is served. */
  setCordon(on: boolean): void
  /**
   * Phase 2: hosts are told, slice by slice, and move while they are served here. Resolves when each has moved, is gone, or had its
   * time to move.
   */
  moveTunnels(options: DrainTunnelsOptions): Promise<void>
  /**
   * Phase 3, for what has not moved: told, given at least 500 ms, removed from the directory with its slice, and closed 4001. New
   * tunnels are refused from its beginning until `resume`.
   */
  drainTunnels(options: DrainTunnelsOptions): Promise<{ moved: number; left: number }>
  /** Closes every tunnel that is left with 4001; resolves when their sockets are gone. */
  endTunnels(): Promise<void>
  /** End of phase 3: the port, kept so long because hosts are served until they have moved, is given back. `resume` binds the same one. */
  unbind(): Promise<void>
  /** Resolves when no public request or WebSocket at all is in flight, or when `signal` ends the wait. */
  whenEmpty(signal: AbortSignal): Promise<void>
  /** Cuts every public request and WebSocket; resolves when they are gone. */
  abortAll(): Promise<{ connections: number; requests: number }>
}

/** An address that reaches a listener from this machine. */
const reachableHost = (host: string): string => {
  if (host === '0.0.0.0' || host === '') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

/** Builds the relay; nothing is bound before `start`. The directory stays the caller's to close. */
export const createRelay = (
  config: RelayConfig,
  context: PartContext,
  directory: Directory,
  options: RelayOptions = {},
): Relay => {
  const timings: RelayTimings = { ...RELAY_TIMINGS, ...options.timings }
  let server: Server | null = null
  let boundPort: number | null = null
  let waiting = (): number => 0
  const unset: Readiness = { ready: false, reason: 'starting' }
  let readiness: Readiness = unset
  /** From phase 2 of a drain on. */
  let retiring = false
  let cordoned = false
  let movingTunnels = false
  let stopped = false

  const refusal = (): string | null => {
    if (stopped) return 'This relay is stopping'
    if (retiring || movingTunnels) return 'This relay is draining'
    return cordoned ? 'This relay takes no new tunnels: its region is being drained' : null
  }
  const internalUrl = (): string | null => {
    if (options.internalUrl) return options.internalUrl
    return directory.backend === 'memory' || boundPort === null
      ? null
      : `http://${reachableHost(config.host)}:${boundPort}`
  }
  const registry = new TunnelRegistry({ config, context, directory, timings, internalUrl, refusal })
  const state = (): NodeState => options.state?.() ?? (readiness.ready ? 'serving' : 'draining')
  const traffic = createPublicTraffic({
    config,
    context,
    registry,
    directory,
    stopped: () => stopped,
    readiness: () => readiness,
    state,
  })

  const tunnelDrain = new TunnelDrain(registry, directory, timings, context.log)

  const listen = async (port: number): Promise<void> => {
    const listener = createPublicListener(config, traffic, context.log)
    const next = listener.server
    waiting = listener.waiting
    const bound = await listenOn(next, config.host, port)
    next.on('error', (error) => context.log.error({ err: error }, 'the public listener failed'))
    server = next
    boundPort = bound
  }

  const unbind = async (): Promise<void> => {
    const old = server
    if (!old) return
    server = null
    // The port is free once `close` was called; the promise of its callback would wait for connections that may last.
    old.close()
    old.closeIdleConnections()
    const closed = new AbortController()
    old.once('close', () => closed.abort())
    void traffic.whenEmpty(closed.signal).then(() => {
      if (closed.signal.aborted) return
      // Answers that are being written get a moment; what is idle after it is cut.
      const cut = setTimeout(() => old.closeAllConnections(), 1_000)
      cut.unref()
      old.once('close', () => clearTimeout(cut))
    })
  }

  const closeCodeNow = (): [number, string] =>
    movingTunnels || cordoned || retiring
      ? [CLOSE.drain, 'This relay is draining']
      : [CLOSE.going_away, 'This relay is going away']

  return {
    async start() {
      if (server) return
      stopped = false
      // Before the port is bound: a host that registers at once must not lose its new entry to the clearing of old ones.
      await registry.start()
      await listen(boundPort ?? config.port)
      // Whoever sets readiness decides when: the relay is one part of several.
      if (readiness === unset) readiness = { ready: true }
    },
    listeners: () =>
      server && boundPort !== null ? [{ part: 'relay', host: config.host, port: boundPort }] : [],
    setReadiness(next) {
      readiness = next
    },
    async stopAccepting() {
      retiring = true
      traffic.retire(true)
    },
    inFlight: () => traffic.inFlight(),
    outstanding: () => traffic.outstanding(),
    whenIdle: (signal) => traffic.whenIdle(signal),
    abortRest: () => traffic.abortRest('holding'),
    whenEmpty: (signal) => traffic.whenEmpty(signal),
    abortAll: () => traffic.abortRest('all'),
    async resume() {
      if (stopped) throw new AppError('ERR_CONFLICT', 'The relay was closed; a closed relay cannot resume')
      if (!server && boundPort !== null) await listen(boundPort)
      retiring = false
      movingTunnels = false
      traffic.retire(false)
      await registry.forgetDrain()
    },
    async unbind() {
      await unbind()
    },
    async close() {
      stopped = true
      await unbind()
      await traffic.whenEmpty(AbortSignal.timeout(timings.finishGraceMs))
      await traffic.abortRest('all')
      await registry.closeAll(...closeCodeNow(), timings.closeGraceMs)
      registry.dispose()
      traffic.dispose()
    },
    async destroy() {
      stopped = true
      const old = server
      await unbind()
      await Promise.all([
        traffic.abortRest('all'),
        registry.closeAll(...closeCodeNow(), Math.min(250, timings.closeGraceMs)),
      ])
      old?.closeAllConnections()
      registry.dispose()
      traffic.dispose()
    },
    stats: (): RelayHealth => ({
      tunnels: {
        current: registry.size,
        registered: registry.counts.registered,
        lost: registry.counts.lost,
        reconnected: registry.counts.reconnected,
        refused: { ...registry.counts.refused },
        kept: registry.keptCount,
      },
      closedBy: { ...registry.counts.closedBy },
      requests: { ...traffic.counts(), waiting: waiting() },
      directory: {
        backend: directory.backend,
        reachable: registry.directoryReachable,
        entries: directory.entries(),
        mismatches: registry.mismatches,
      },
      cordoned,
    }),
    tunnels: () => registry.all().map((tunnel) => tunnel.row()),
    closeTunnel: (hostId, code, reason) => registry.close(hostId, code, reason),
    setCordon(on) {
      cordoned = on
    },
    moveTunnels: (drainOptions) => tunnelDrain.move(drainOptions),
    async drainTunnels(drainOptions) {
      movingTunnels = true
      return await tunnelDrain.finish(drainOptions)
    },
    endTunnels: () => tunnelDrain.end(),
  } satisfies Relay & { listeners(): Listener[] }
}
