import type { FleetEvent } from '../contract/events.ts';
import type { LiveServerMessage, SamplePoint } from '../contract/live.ts';

/** Where the collector publishes. Calls never block and never throw; a slow subscriber is the hub's matter. */
export interface LivePublisher {
  readonly hub: string;
  readonly seq: number;
  /** An event that has been stored. Goes to every topic that it concerns. */
  event(event: FleetEvent): void;
  samples(points: readonly SamplePoint[]): void;
  /** The object behind a topic changed: subscribers get a fresh snapshot, at most five a second. */
  changed(topic: string): void;
}

/** Answers the present state of a topic, or null where there is no such object. */
export type SnapshotProvider = (topic: string) => Promise<unknown>;

/** Receives frames of the topics that it subscribed to. */
export type LiveListener = (message: Exclude<LiveServerMessage, { type: 'ping' }>) => void;
