import { z } from 'zod'
import { DRAIN_PHASES, NODE_STATES } from './states.ts'

const count = z.number().finite().nonnegative()
const counts = z.record(z.string().max(64), count)
const text = z.string().max(256)
const time = text.nullable()

/**
 * Why a public request for a host (a WebSocket among them) got no answer from it. A closed list:
 * `offline` the host has no tunnel anywhere, or nobody could say where; `draining` refused or cut because this node drains;
 * `tunnel_lost` its tunnel went away under it; `busy` too many were pending on its tunnel; `timeout` no response headers in time;
 * `owner_unreachable` the relay that owns the host could not be reached or did not answer; `loop` it was passed on once already and
 * the host is not here; `target` the host's own target refused or broke off; `internal` a fault of this relay.
 */
export const RELAY_FAILURES = [
  'offline',
  'draining',
  'tunnel_lost',
  'busy',
  'timeout',
  'owner_unreachable',
  'loop',
  'target',
  'internal',
] as const
export type RelayFailure = (typeof RELAY_FAILURES)[number]

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
      /** Bytes held for peers that have not taken them yet; below `maxBufferedBytes`. */
      bufferedBytes: count.optional(),
      requests: z.object({
        total: count,
        byStatus: counts,
        /** Requests that their route did not let in: `route_unauthorized`, `route_request_rate`, and why connections are refused. */
        refused: counts.optional(),
      }),
      targets: z
        .array(
          z.object({
            route: text,
            target: text,
            healthy: z.boolean(),
            /** Why it is down. */
            reason: text.nullish(),
            active: count,
            /** Until the head of an answer, or until a connection of bytes stands; null before the first. */
            latencyMs: count.nullish(),
            connectFailures: count,
            /** Requests of which it sent no head of an answer within `responseTimeoutMs`. */
            unanswered: count.optional(),
            /** What was given to it although it was down, since no target of its route was up. */
            lastResort: count.optional(),
          }),
        )
        .max(256),
      targetsTotal: count.optional(),
      /** Since the start, over all targets: `connect` of clients' connections, `unanswered` requests, `check` of our own checks. */
      targetFailures: counts.optional(),
      /** What was given to targets that were down, since no target of their route was up. */
      lastResort: count.optional(),
      certificates: z
        .array(
          z.object({
            domains: z.array(text).max(64),
            /** Null where there is none yet. */
            notAfter: text.nullable(),
            state: text,
            /** What the last order came to, where it failed. */
            lastFailure: z.object({ at: text, reason: text }).optional(),
          }),
        )
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
        /**
         * Tunnels of hosts that have moved to another node in a drain, kept for the streams that are open on them: not in `current`,
         * since their hosts are counted where they stand now.
         */
        kept: count.optional(),
      }),
      closedBy: counts,
      requests: z.object({
        total: count,
        pending: count,
        /** Pipelined requests that wait for their turn on their connections; they are in no other count yet. */
        waiting: count.optional(),
        byStatus: counts,
        /**
         * Requests that got no answer from their host, by `RELAY_FAILURES`, since this node's start. What a visitor ended is none; what
         * was passed on and answered by the owner, in whatever way, counts there.
         */
        failed: counts.optional(),
        /**
         * The part of `failed` that was lost here because a host was registered nowhere, or at a relay that could not be reached,
         * counted by the node that owned the host last (known for 60 s after an entry went). This node itself is never a key: its own share
         * stands in `drain.requestsFailed`. At most 64 keys, the rest under `other`. A drain's whole cost is what this grew by at all
         * other nodes for the drained node, plus what `drain.requestsFailed` grew by at the drained node.
         */
        failedByFormerOwner: counts.optional(),
      }),
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
      /** Retries whose first attempt may have been processed: the only ones that can arrive twice. */
      sendRetriedUnproven: count.optional(),
      noTokens: count,
      sessionAlive: z.boolean(),
      sessionAgeSeconds: count.nullable(),
      sessionConnects: count,
      /** Dials that failed; pushes wait meanwhile. */
      sessionConnectFailures: count.optional(),
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
    /**
     * What visitors lost on this node because it drained, since its start (over all drains of this epoch): requests and connections
     * refused with `ERR_DRAINING`, cut at a deadline, or whose tunnel was closed under them by the drain; relay and proxy together.
     * 0 is the ordinary case. Absent where a node does not count it.
     */
    requestsFailed: count.optional(),
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
