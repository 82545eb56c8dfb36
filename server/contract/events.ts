import { z } from 'zod'
import { isoTime, pageSchema } from './parts.ts'
import { DRAIN_PHASES, NODE_STATES } from './states.ts'

const text = z.string().max(1024)
const short = z.string().max(256)
const number = z.number().finite()
/** Bytes of one event's `data` as JSON. A node cuts its own to it, the collector refuses what is larger. */
export const MAX_EVENT_BYTES = 16_384
/** Entries of a list or of counts by reason in one event. */
export const MAX_EVENT_ENTRIES = 64

const counts = z
  .record(z.string().max(64), number)
  .refine((record) => Object.keys(record).length <= MAX_EVENT_ENTRIES, `at most ${MAX_EVENT_ENTRIES} keys`)
const list = <Entry extends z.ZodType>(entry: Entry) => z.array(entry).max(MAX_EVENT_ENTRIES)

/**
 * Every event type with the schema of its `data`: facts in the past tense. Fields may be added, never renamed.
 * `docs/events.md` lists the same types and a test keeps both equal.
 */
export const EVENT_DATA = {
  'node.started': z.object({ version: short, startedDrained: z.boolean().optional() }),
  'node.state_changed': z.object({
    from: z.enum(NODE_STATES),
    to: z.enum(NODE_STATES),
    reason: text.nullish(),
  }),
  'node.problem_found': z.object({ problem: text }),
  'node.problem_cleared': z.object({ problem: text }),

  'connection.closed': z.object({
    id: short,
    route: short.nullable(),
    client: short,
    target: short.nullable(),
    reason: short,
    bytesUpstream: number,
    bytesDownstream: number,
    durationMs: number,
  }),
  'connections.counted': z.object({ active: number, accepted: number, closed: number, closedBy: counts }),
  'connection.refused': z.object({ reason: short, client: short, port: number, route: short.nullish() }),
  'route.changed': z.object({ added: list(short), removed: list(short), changed: list(short) }),
  'target.down': z.object({
    route: short,
    target: short,
    reason: short,
    /** Targets of the route that are up still; 0: those that are down are tried all the same. */
    left: number.nullish(),
  }),
  'target.up': z.object({ route: short, target: short, downMs: number }),
  'certificate.issued': z.object({ domains: list(short), notAfter: short }),
  'certificate.failed': z.object({ domains: list(short), reason: text }),
  'certificate.expiring': z.object({ domains: list(short), notAfter: short, days: number }),

  'tunnel.registered': z.object({
    hostId: short,
    /** Milliseconds between the loss of the host's last tunnel and this one, as the host measured it; null on its first. */
    gapMs: number.nullable(),
    previousNode: short.nullable(),
    previousCloseCode: number.nullable(),
    attempt: number.nullable(),
    fence: number.nullish(),
  }),
  'tunnel.lost': z.object({
    hostId: short,
    code: number,
    reason: short,
    heldMs: number,
    /** Number of the registration that ended; lower than that of a tunnel that the host has elsewhere. */
    fence: number.nullish(),
    /** In an announced drain: the node at which the host stood already when this tunnel ended. Then the host is not lost. */
    movedTo: short.nullish(),
  }),
  'tunnel.refused': z.object({ hostId: short.nullable(), code: number, reason: short }),
  'tunnel.replaced': z.object({ hostId: short, heldMs: number }),
  'directory.unreachable': z.object({ backend: short, reason: text }),
  'directory.recovered': z.object({ backend: short, awayMs: number }),
  'directory.stale_cleared': z.object({ entries: number }),

  'push.session_connected': z.object({ connectMs: number, connects: number }),
  'push.session_invalidated': z.object({ reason: short, ageSeconds: number, detail: text.nullish() }),
  'push.rejected': z.object({ status: number, reason: short, token: short, apnsId: short.nullish() }),
  'push.retried': z.object({ reason: short, apnsId: short.nullish() }),
  'push.failed': z.object({ reason: short, apnsId: short.nullish() }),
  'push.breaker_opened': z.object({ reason: text }),
  'push.breaker_closed': z.object({ reason: text }),
  'token.pruned': z.object({ reason: short, status: number, token: short }),
  'token.restored': z.object({ count: number }),

  /** `scope: 'node'` from a node itself; `scope: 'drain'` from the collector's plan. */
  'drain.started': z.object({
    drainId: short,
    scope: z.enum(['node', 'drain']),
    reason: text,
    initiator: short,
    mode: short.nullish(),
  }),
  'drain.phase_changed': z.object({
    drainId: short,
    scope: z.enum(['node', 'drain']),
    from: short.nullable(),
    to: short,
    phaseMs: number.nullish(),
  }),
  'drain.completed': z.object({
    drainId: short,
    scope: z.enum(['node', 'drain']),
    warnings: list(text),
    phases: list(z.object({ phase: z.enum(DRAIN_PHASES), actualMs: number, budgetMs: number.nullable() })),
  }),
  'drain.aborted': z.object({
    drainId: short,
    scope: z.enum(['node', 'drain']),
    reason: text,
    end: short.nullish(),
  }),
  'drain.budget_exceeded': z.object({ drainId: short, phase: short, budgetMs: number, left: number }),

  'node.down': z.object({ reason: text, since: short }),
  'node.recovered': z.object({ downMs: number }),
  'region.unreachable': z.object({ nodes: list(short), reason: text }),
  'stream.gap': z.object({ from: number.nullable(), to: number.nullable(), reason: text }),
  'signal.opened': z.object({ kind: short, scope: short, sentence: text, incidentId: short.nullish() }),
  'signal.closed': z.object({
    kind: short,
    scope: short,
    heldMs: number,
    sentence: text.nullish(),
    incidentId: short.nullish(),
  }),
  'incident.opened': z.object({ incidentId: short, title: text, severity: short }),
  'incident.acknowledged': z.object({ incidentId: short, actor: short }),
  'incident.mitigated': z.object({ incidentId: short, actor: short.nullable() }),
  'incident.resolved': z.object({ incidentId: short, actor: short.nullable() }),
  'drain.planned': z.object({
    drainId: short,
    region: short.nullable(),
    node: short.nullable(),
    reason: text,
    actor: short,
  }),
  'drain.resumed': z.object({ drainId: short, actor: short.nullish() }),
  'operator.acted': z.object({
    actor: short,
    action: short,
    object: short,
    title: text.nullish(),
    reason: text.nullish(),
  }),
} as const

export type EventType = keyof typeof EVENT_DATA
export const EVENT_TYPES = Object.keys(EVENT_DATA) as EventType[]
export type EventData<T extends EventType> = z.infer<(typeof EVENT_DATA)[T]>

/**
 * Types that a node may tell of itself, as `docs/events.md` lists them; all others are the collector's own. Of the drains, whose
 * types both use, a node tells `scope: 'node'`.
 */
export const NODE_EVENT_TYPES: ReadonlySet<EventType> = new Set<EventType>([
  'node.started',
  'node.state_changed',
  'node.problem_found',
  'node.problem_cleared',
  'connection.closed',
  'connections.counted',
  'connection.refused',
  'route.changed',
  'target.down',
  'target.up',
  'certificate.issued',
  'certificate.failed',
  'certificate.expiring',
  'tunnel.registered',
  'tunnel.lost',
  'tunnel.refused',
  'tunnel.replaced',
  'directory.unreachable',
  'directory.recovered',
  'directory.stale_cleared',
  'push.session_connected',
  'push.session_invalidated',
  'push.rejected',
  'push.retried',
  'push.failed',
  'push.breaker_opened',
  'push.breaker_closed',
  'token.pruned',
  'token.restored',
  'drain.started',
  'drain.phase_changed',
  'drain.completed',
  'drain.aborted',
  'drain.budget_exceeded',
])

/** Types that are told live and never stored: a number a second is for the eye, and its sum is in the samples. */
export const LIVE_ONLY_EVENT_TYPES: ReadonlySet<EventType> = new Set<EventType>(['connections.counted'])

/** A fact with a time. `seq` ascends within one `epoch` (one run of the node's process). `at` is the node's own clock. */
export interface NodeEvent<T extends EventType = EventType> {
  seq: number
  epoch: string
  node: string
  region: string
  type: T
  at: string
  data: EventData<T>
}

/** Schema of the envelope alone: used on what a node sends, before its `data` is checked by type. */
export const eventEnvelopeSchema = z.object({
  seq: z.number().int().nonnegative(),
  epoch: z.string().min(1).max(64),
  node: z.string().max(64),
  region: z.string().max(64),
  type: z.enum(EVENT_TYPES as [EventType, ...EventType[]]),
  at: z.iso.datetime(),
  data: z.record(z.string(), z.unknown()),
})

/** Parses one event from a node; null for what is not a valid event of a known type. */
export const parseEvent = (input: unknown): NodeEvent | null => {
  const envelope = eventEnvelopeSchema.safeParse(input)
  if (!envelope.success) return null
  const data = EVENT_DATA[envelope.data.type].safeParse(envelope.data.data)
  return data.success ? ({ ...envelope.data, data: data.data } as NodeEvent) : null
}

/**
 * An event as the collector keeps it. `node` is null for the collector's own events about the fleet or a region;
 * `source` says whose clock `at` is; `receivedAt` is the collector's clock.
 */
export const fleetEventSchema = z
  .object({
    id: z
      .number()
      .describe(
        'Ascending. Whole for an event that is stored; one that is told live only has a fraction, above all that were stored before it',
      ),
    source: z.enum(['node', 'collector']).describe('Whose clock `at` is'),
    seq: z.number(),
    epoch: z.string(),
    node: z.string().nullable().describe("Null for the collector's own events about the fleet or a region"),
    region: z.string().nullable(),
    type: z.enum(EVENT_TYPES as [EventType, ...EventType[]]),
    at: isoTime,
    receivedAt: isoTime.describe("The collector's clock"),
    data: z.record(z.string(), z.unknown()).describe('Facts by type, as docs/events.md lists them'),
  })
  .meta({ id: 'Event' })
export type FleetEvent = z.infer<typeof fleetEventSchema>

/** `GET /events`. */
export const eventPageSchema = pageSchema(fleetEventSchema)
  .extend({
    partial: z
      .object({ searchedTo: isoTime })
      .describe(
        'The search for rare events reached its limit of time: what lies beyond is not known to be empty, and the cursor goes on from there',
      )
      .optional(),
  })
  .meta({ id: 'EventPage' })
export type EventPage = z.infer<typeof eventPageSchema>
