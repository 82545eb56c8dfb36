import type { ProxyHealth, PushHealth, RelayHealth } from '../../contract/health.ts'
import type { Page } from '../../contract/ids.ts'
import type { NodeConnection, NodeTunnel, PushOutcome, PushRequest } from '../../contract/node-api.ts'
import type { RouteConfig } from '../../contract/route-config.ts'
import type { QueuedPushPart, TunnelPart } from './drain-parts.ts'
import type { ServingPart } from './part.ts'

/** The proxy as the node and its control listener use it. */
export interface ProxyPart extends ServingPart {
  /** The `proxy` part of `/health`: exact counts, at most 128 targets. */
  stats(): ProxyHealth
  /** Live connections, oldest first; `total` counts all that match. `ip` is compared as the connection shows it. */
  connections(filter: { limit: number; route?: string; ip?: string }): {
    items: NodeConnection[]
    total: number
  }
  /** Ends one connection, both sides, with `closed_by_operator`. False when there is none with this id. */
  closeConnection(id: string): boolean
  /** What it cannot do of what it should, in sentences, by a key that stays. */
  problems?(): ReadonlyMap<string, string>
  routes(): RouteConfig[]
  /**
   * Replaces all routes: validated together (`ERR_INVALID` with `problems`), new ports bound first (`ERR_PORT_TAKEN`, then nothing has
   * changed), then swapped at once. Existing connections keep their target; freed ports no longer listen.
   */
  setRoutes(routes: RouteConfig[]): Promise<void>
}

/** The relay as the node and its control listener use it. */
export interface RelayPart extends ServingPart, TunnelPart {
  stats(): RelayHealth
  tunnels(): NodeTunnel[]
  /** False when the host has no tunnel here. */
  closeTunnel(hostId: string, code: number, reason: string): boolean
}

/** Registered device tokens. */
export interface TokenBook {
  register(token: string, key: string): Promise<unknown>
  unregister(token: string): Promise<boolean>
  list(filter: {
    key?: string
    limit?: number
    cursor?: string
  }): Page<{ fingerprint: string; key: string; registeredAt: string }>
}

/** The push client as the node and its control listener use it. */
export interface PushPart extends QueuedPushPart {
  /** Which part of the token file could not be read, in a sentence; null where all could. */
  readonly tokenProblem?: string | null
  start(): Promise<void>
  /** Resolves when all are settled. Rejects with `ERR_DRAINING`, `ERR_CAPACITY` or `ERR_INVALID`. */
  send(request: PushRequest): Promise<PushOutcome[]>
  stats(): PushHealth
  /** False when there was no session to drop. */
  invalidate(reason: string): unknown
  readonly tokens: TokenBook
}

/** The parts that one node's configuration names. */
export interface NodeParts {
  readonly proxy?: ProxyPart | undefined
  readonly relay?: RelayPart | undefined
  readonly push?: PushPart | undefined
  /** Host id → node, as the directory has it; only where a directory is shared. */
  readonly owners?: (() => Promise<Record<string, string>>) | undefined
  /** Called once at the very end: closes what belongs to the node and to none of its parts. */
  readonly dispose?: (() => void) | undefined
}
