import { z } from 'zod'
import type { FleetEvent } from './events.ts'
import type { MetricName } from './series.ts'

/** `overview`, `region:fra`, `node:fra-1`, `incident:ID`, `drain:ID`, `events`, `events?type=tunnel.*&region=fra&node=fra-1`. */
export const TOPIC_PATTERN =
  /^(?:overview|tunnels|(?:region|node|incident|drain):[A-Za-z0-9._-]{1,64}|events(?:\?[A-Za-z0-9=&.,*:_%-]{0,200})?)$/

export const liveClientSchema = z.discriminatedUnion('type', [
  z
    .object({
      type: z.literal('subscribe'),
      topics: z.array(z.string().max(256).regex(TOPIC_PATTERN, 'is not a topic')).min(1).max(64),
      after: z
        .object({ hub: z.string().max(64), seq: z.number().int().min(0) })
        .strict()
        .optional(),
    })
    .strict(),
  z.object({ type: z.literal('unsubscribe'), topics: z.array(z.string().max(256)).min(1).max(64) }).strict(),
  z.object({ type: z.literal('pong') }).strict(),
])
export type LiveClientMessage = z.infer<typeof liveClientSchema>

/** One node's newest poll. `values` holds what `/series` calls by the same names; counters are increases since the last poll. */
export interface SamplePoint {
  node: string
  region: string
  /** Epoch milliseconds. */
  at: number
  values: Partial<Record<MetricName, number>>
}

/** `topics` names every subscribed topic that the frame belongs to; `topic` is the first of them. */
export type LiveServerMessage =
  | { type: 'snapshot'; hub: string; seq: number; topic: string; data: unknown }
  | { type: 'event'; hub: string; seq: number; topic: string; topics: string[]; event: FleetEvent }
  | { type: 'sample'; hub: string; seq: number; topic: string; topics: string[]; points: SamplePoint[] }
  | { type: 'error'; hub: string; seq: number; code: string; message: string }
  | { type: 'ping' }
