import type { FleetEvent } from './events.ts'
import type { SamplePoint } from './live.ts'

/** Where the collector publishes what it stored. Calls never block and never throw; a slow subscriber is the hub's matter. */
export interface LivePublisher {
  readonly hub: string
  readonly seq: number
  /** An event that has been stored. Goes to every topic that it concerns. */
  event(event: FleetEvent): void
  samples(points: readonly SamplePoint[]): void
  /** The object behind a topic changed: subscribers get a fresh snapshot, at most five a second. */
  changed(topic: string): void
}
