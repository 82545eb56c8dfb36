import { z } from 'zod'

/** `POST /drain` on a node. The caller names the drain; the same id again returns the one that runs. */
export const nodeDrainSchema = z
  .object({
    drainId: z.string().min(1).max(64),
    reason: z.string().max(500).default(''),
    mode: z.enum(['hold', 'exit']).default('hold'),
    /** Budget of phase 2 in seconds; default: the node's own. */
    deadlineSeconds: z.number().int().min(0).max(86_400).optional(),
    onDeadline: z.enum(['wait', 'force', 'resume']).default('wait'),
    tunnelsPerSecond: z.number().positive().max(10_000).optional(),
    initiator: z.string().max(200).default('unknown'),
  })
  .strict()
export type NodeDrainRequest = z.infer<typeof nodeDrainSchema>

/**
 * `POST /cordon` on a node, an addition to the documented calls: new tunnels are refused with 4001 from now on, everything else is
 * served. A regional drain cordons all nodes of the region first, so that no host moves twice. Durable; `POST /resume` ends it.
 */
export const nodeCordonSchema = z
  .object({ drainId: z.string().min(1).max(64), reason: z.string().max(500).default('') })
  .strict()
export type NodeCordonRequest = z.infer<typeof nodeCordonSchema>

/** A device token goes into a path: it is not any text. */
export const deviceTokenSchema = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces')

/** `POST /push` on a node: exactly one of `token`, `tokens`, `key`. `payload` is sent as JSON, at most 4 096 bytes (APNs). */
export const pushRequestSchema = z
  .object({
    token: deviceTokenSchema.optional(),
    tokens: z.array(deviceTokenSchema).min(1).max(1000).optional(),
    key: z.string().min(1).max(200).optional(),
    payload: z.record(z.string(), z.unknown()),
    apnsId: z.uuid().optional(),
    collapseId: z
      .string()
      .max(64)
      .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, 'must be printable ASCII, which a header can carry')
      .optional(),
    priority: z.union([z.literal(1), z.literal(5), z.literal(10)]).optional(),
    expiration: z.number().int().min(0).optional(),
  })
  .strict()
  .refine((body) => [body.token, body.tokens, body.key].filter((value) => value !== undefined).length === 1, {
    message: 'exactly one of token, tokens, key is needed',
  })
export type PushRequest = z.infer<typeof pushRequestSchema>

export interface PushOutcome {
  /** Fingerprint of the device token (first 12 hex digits of its SHA-256), never the token. */
  token: string | null
  outcome: 'delivered' | 'rejected' | 'failed' | 'no_token'
  status?: number
  reason?: string
  apnsId?: string
}

export const registerTokenSchema = z.object({ key: z.string().min(1).max(200) }).strict()

/** One row of `GET /tunnels` on a node. */
export const nodeTunnelSchema = z.object({
  hostId: z.string().max(63),
  since: z.string().max(64),
  remoteAddress: z.string().max(128),
  lastPongAt: z.string().max(64).nullable(),
  pending: z.number(),
  fence: z.number(),
  gapMs: z.number().nullable(),
})
export type NodeTunnel = z.infer<typeof nodeTunnelSchema>
export const nodeTunnelsSchema = z.object({
  items: z.array(nodeTunnelSchema).max(100_000),
  /** Who owns which host according to the directory, as far as this node sees it; an addition to the documented shape. */
  directory: z.record(z.string().max(63), z.string().max(63)).optional(),
})

/** One row of `GET /connections` on a node. */
export const nodeConnectionSchema = z.object({
  id: z.string().max(64),
  route: z.string().max(64).nullable(),
  client: z.string().max(128),
  target: z.string().max(300).nullable(),
  protocol: z.enum(['tcp', 'http']),
  ageMs: z.number(),
  bytesUpstream: z.number(),
  bytesDownstream: z.number(),
  /** State of each half: `open`, `fin` once its sender has ended it, `closed`. */
  clientHalf: z.enum(['open', 'fin', 'closed']),
  targetHalf: z.enum(['connecting', 'open', 'fin', 'closed']),
  lastActivityMs: z.number(),
})
export type NodeConnection = z.infer<typeof nodeConnectionSchema>
export const nodeConnectionsSchema = z.object({
  items: z.array(nodeConnectionSchema).max(1000),
  total: z.number(),
})
