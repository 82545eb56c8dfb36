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
  'certificate.failed',
] as const
export type SignalKind = (typeof SIGNAL_KINDS)[number]

export const noteSchema = z
  .object({ text: lines(10_000, 'write something').describe('Text of one or more lines') })
  .strict()
  .meta({
    description: 'A note for the timeline',
    examples: [{ text: 'Rolled back to 1.4.2; pushes arrive again.' }],
  })
export const incidentActionSchema = z
  .object({
    reason: z.string().max(500).overwrite(plainLine).describe('Why, for the audit').optional(),
  })
  .strict()
  .meta({
    description: 'Why, where there is something to say',
    examples: [{ reason: 'Traffic moved to iad' }],
  })
export const incidentPatchSchema = z
  .object({
    title: line(200).describe('Instead of the one that its signals gave it').optional(),
    severity: z.enum(['info', 'warning', 'critical']).describe('How bad it is').optional(),
    startedAt: moment(60_000).describe('When it really began').optional(),
  })
  .strict()
  .meta({
    description: 'What changes; the rest stays as it is',
    examples: [{ title: 'Provider outage in Frankfurt', severity: 'critical' }],
  })
export type IncidentPatch = z.infer<typeof incidentPatchSchema>
export const annotationSchema = z
  .object({
    // Up to a year ahead: a deployment may be announced.
    at: moment(366 * 24 * 3_600_000)
      .describe('The moment; now, where this is left out')
      .optional(),
    title: line(200).describe('What happened'),
    kind: z.enum(['deploy', 'note']).describe('A deployment, or anything else'),
    regions: z
      .array(z.string().max(63).overwrite(plainLine))
      .max(100)
      .describe('Ids of the regions that it is about; all, where this is left out')
      .optional(),
  })
  .strict()
  .meta({
    description: 'A moment to mark',
    examples: [{ title: 'Release 1.4.2', kind: 'deploy', regions: ['fra'] }],
  })
export type AnnotationRequest = z.infer<typeof annotationSchema>
