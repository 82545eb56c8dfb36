import { z } from 'zod'
import type { IsoTime } from './ids.ts'
import type { SeriesGap } from './series.ts'
import type { IncidentState, Severity } from './states.ts'
import { line, lines, moment, plainLine } from './text.ts'

/** Signals that this version knows. */
export const SIGNAL_KINDS = ['push.stuck', 'tunnel.storm', 'node.down', 'region.unreachable'] as const
export type SignalKind = (typeof SIGNAL_KINDS)[number]

export interface Signal {
  kind: string
  /** `node:fra-1` or `region:fra`. */
  scope: string
  openedAt: IsoTime
  closedAt?: IsoTime
  /** What is known, in a sentence. */
  sentence: string
}

export interface Incident {
  id: string
  title: string
  severity: Severity
  state: IncidentState
  signals: Signal[]
  regions: string[]
  nodes: string[]
  /** When the evidence begins, not when it was noticed. */
  startedAt: IsoTime
  detectedAt: IsoTime
  acknowledgedAt?: IsoTime
  acknowledgedBy?: string
  mitigatedAt?: IsoTime
  resolvedAt?: IsoTime
  /** Impact in one sentence, for example `1 240 pushes not delivered in 4 min`. */
  impact: string | null
  /** Related drains by id. */
  drains: string[]
}

export type TimelineKind =
  | 'event'
  | 'signal'
  | 'incident'
  | 'drain'
  | 'operator'
  | 'notification'
  | 'annotation'
  | 'note'

export interface TimelineItem {
  id: string
  at: IsoTime
  receivedAt: IsoTime
  kind: TimelineKind
  /** Node id, `collector`, or the actor's e-mail. */
  source: string
  title: string
  data: Record<string, unknown>
  /** Ids of the rows that this one stands for. */
  folded?: string[]
}

export interface Timeline {
  items: TimelineItem[]
  gaps: SeriesGap[]
  nextCursor: string | null
}

export const noteSchema = z.object({ text: lines(10_000, 'write something') }).strict()
export const incidentActionSchema = z
  .object({ reason: z.string().max(500).overwrite(plainLine).optional() })
  .strict()
export const incidentPatchSchema = z
  .object({
    title: line(200).optional(),
    severity: z.enum(['info', 'warning', 'critical']).optional(),
    startedAt: moment(60_000).optional(),
  })
  .strict()
export type IncidentPatch = z.infer<typeof incidentPatchSchema>
export const annotationSchema = z
  .object({
    /** Up to a year ahead: a deployment may be announced. */
    at: moment(366 * 24 * 3_600_000).optional(),
    title: line(200),
    kind: z.enum(['deploy', 'note']),
    regions: z.array(z.string().max(63).overwrite(plainLine)).max(100).optional(),
  })
  .strict()
export type AnnotationRequest = z.infer<typeof annotationSchema>
export interface Annotation {
  id: string
  at: IsoTime
  title: string
  kind: 'deploy' | 'note'
  regions: string[]
  actor: string
}
