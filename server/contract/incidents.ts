import { z } from 'zod'
import { line, lines, moment, plainLine } from './text.ts'

export type { Incident, Signal } from './answers/incident.ts'
export type { IncidentRecord } from './answers/incident-record.ts'
export type { Annotation, Timeline, TimelineItem, TimelineKind } from './answers/timeline.ts'

/** Signals that this version knows. */
export const SIGNAL_KINDS = [
  'push.stuck',
  'tunnel.storm',
  'node.down',
  'node.restarted',
  'node.clock_skew',
  'node.wrong_region',
  'region.unreachable',
  'drain.residue',
  'drain.stalled',
  'certificate.expiring',
] as const
export type SignalKind = (typeof SIGNAL_KINDS)[number]

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
