import { z } from 'zod'
import { DRAIN_PHASES, NODE_STATES } from './states.ts'

const count = z.number().finite().nonnegative()
const counts = z.record(z.string().max(64), count)
const text = z.string().max(256)
const time = text.nullable()

/**
 * A node's `/health` document, parsed field by field: what a node sends is hostile input. Unknown fields are dropped, absent
 * parts stay absent (never zero).
 */
export const healthSchema = z.object({
  ok: z.boolean(),
  problems: z.array(text).max(32).optional(),
  state: z.enum(NODE_STATES),
  region: text,
  node: text,
  version: text,
  epoch: text,
  startedAt: text,
  uptimeSeconds: count,
  seq: count,
  /** Where the node listens for the public; an addition to the documented document. */
  listeners: z
    .array(
      z.object({
        part: z.enum(['proxy', 'relay', 'health']),
        host: text,
        port: count,
        routes: z.array(text).max(64).optional(),
      }),
    )
    .max(64)
    .optional(),
  proxy: z
    .object({
      connections: z.object({ active: count, accepted: count, closed: count, rejected: counts }),
      closedBy: counts,
      bytes: z.object({ upstream: count, downstream: count }),
      requests: z.object({ total: count, byStatus: counts }),
      targets: z
        .array(
          z.object({
            route: text,
            target: text,
            healthy: z.boolean(),
            active: count,
            connectFailures: count,
          }),
        )
        .max(256),
      targetsTotal: count.optional(),
      certificates: z
        .array(z.object({ domains: z.array(text).max(64), notAfter: text, state: text }))
        .max(64)
        .optional(),
    })
    .optional(),
  relay: z
    .object({
      tunnels: z.object({
        current: count,
        registered: count,
        lost: count,
        reconnected: count,
        refused: counts,
      }),
      closedBy: counts,
      requests: z.object({ total: count, pending: count, byStatus: counts }),
      directory: z.object({ backend: text, reachable: z.boolean(), entries: count, mismatches: count }),
      /** True while new tunnels are refused because a drain of the region runs. */
      cordoned: z.boolean().optional(),
    })
    .optional(),
  push: z
    .object({
      received: count,
      sendOk: count,
      sendRejected: counts,
      sendFail: count,
      sendRetried: count,
      noTokens: count,
      sessionAlive: z.boolean(),
      sessionAgeSeconds: count.nullable(),
      sessionConnects: count,
      sessionInvalidations: count,
      sessionInvalidationsByReason: counts,
      pruneOnBadDeviceToken: count,
      pruneOnUnregistered: count,
      pruneOnTopicMismatch: count,
      pruneOther: count,
      breaker: text,
      tokens: count,
      lastReceivedAt: time,
      lastSendAt: time,
      lastOkAt: time,
      lastFailureAt: time,
      lastFailureReason: time,
    })
    .optional(),
  drain: z.object({
    drainId: text.nullable().optional(),
    phase: z.enum(DRAIN_PHASES).nullable(),
    startedAt: time,
    reason: time,
    budgetSeconds: z.object({ preDrain: count, http: count, tunnels: count, margin: count }),
    ceilingSeconds: count,
    fits: z.boolean(),
    remaining: z.object({ connections: count, requests: count, tunnels: count, pushes: count }),
  }),
  process: z.object({
    rssBytes: count,
    eventLoopDelayP99Ms: count,
    openFds: count.nullable(),
    cpuSeconds: count,
  }),
})

export type Health = z.infer<typeof healthSchema>
export type ProxyHealth = NonNullable<Health['proxy']>
export type RelayHealth = NonNullable<Health['relay']>
export type PushHealth = NonNullable<Health['push']>
export type DrainHealth = Health['drain']
export type Listener = NonNullable<Health['listeners']>[number]
