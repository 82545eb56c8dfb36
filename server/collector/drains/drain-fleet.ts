import type { EventData, EventType, FleetEvent } from '../../contract/events.ts'
import type { Node, Region, Tunnel } from '../../contract/fleet.ts'
import type { Intent } from '../../contract/states.ts'
import type { DrainVerbs, Proof } from '../adapters/adapter.ts'
import type { Facts } from '../adapters/facts.ts'

/** What drains need of the fleet that the collector watches. */
export interface DrainFleet {
  nodes(): readonly Node[]
  regions(): readonly Region[]
  /** Facts of the newest good reading of a node and when it was taken (epoch ms), and how its newest poll ended; null before the first. */
  known(id: string): { facts: Facts | null; at: number; outcome: string } | null
  /** How a node is taken out of service and given back; null where the collector cannot do that, or there is no such node. */
  drainVerbs(id: string): DrainVerbs | null
  /** Whether a drain of this node can be proved to have emptied it. */
  drainProof(id: string): Proof
  tunnels(): readonly Tunnel[]
  /** Every stored event, in order. Answers the function that ends the subscription. */
  onEvent(listener: (event: FleetEvent) => void): () => void
  setIntent(nodes: readonly string[], intent: Intent): void
  /** Stores and publishes an event of the collector's own. */
  record<T extends EventType>(
    type: T,
    data: EventData<T>,
    where: { node?: string | null; region?: string | null },
  ): Promise<unknown>
  /** Titles of open incidents that concern a region; for warnings. */
  openIncidents(): readonly { id: string; title: string; regions: readonly string[] }[]
  /** Milliseconds between two polls of a node: how old what is known of it may be. */
  intervalOf(id: string): number
}
