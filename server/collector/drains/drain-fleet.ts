import type { EventData, EventType, FleetEvent } from '../../contract/events.ts'
import type { Node, Region, Tunnel } from '../../contract/fleet.ts'
import type { Health } from '../../contract/health.ts'
import type { Intent } from '../../contract/states.ts'

/** What drains need of the fleet that the collector watches. */
export interface DrainFleet {
  nodes(): readonly Node[]
  regions(): readonly Region[]
  /** The last document of a node and when it came (epoch ms); null before the first. */
  health(id: string): { document: Health | null; at: number; outcome: string } | null
  tunnels(): readonly Tunnel[]
  /** Every stored event, in order. Answers the function that ends the subscription. */
  onEvent(listener: (event: FleetEvent) => void): () => void
  /** An authenticated call to a node's control listener. Rejects with `ERR_NODE_UNREACHABLE`; any HTTP answer resolves. */
  call(
    node: string,
    method: string,
    path: string,
    body?: unknown,
    options?: { timeoutMs?: number },
  ): Promise<{ status: number; body: unknown }>
  setIntent(nodes: readonly string[], intent: Intent): void
  /** Stores and publishes an event of the collector's own. */
  record<T extends EventType>(
    type: T,
    data: EventData<T>,
    where: { node?: string | null; region?: string | null },
  ): Promise<unknown>
  /** Titles of open incidents that concern a region; for warnings. */
  openIncidents(): readonly { id: string; title: string; regions: readonly string[] }[]
  pollIntervalMs: number
}
