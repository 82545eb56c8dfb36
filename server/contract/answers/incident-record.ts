import { z } from 'zod'
import { isoTime } from '../parts.ts'
import { incidentSchema } from './incident.ts'
import { seriesGapSchema } from './series.ts'
import { timelineItemSchema } from './timeline.ts'

/** `GET /incidents/:id/export?format=json`. */
export const incidentRecordSchema = z
  .object({
    format: z.literal('tidegate.incident'),
    version: z.literal(1),
    exportedAt: isoTime,
    from: isoTime,
    to: isoTime,
    incident: incidentSchema,
    items: z.array(timelineItemSchema).describe('In order, not folded'),
    gaps: z.array(seriesGapSchema),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .describe('Over everything else as JSON with sorted keys and no white space'),
  })
  .meta({ id: 'IncidentRecord', description: 'The complete record of an incident' })
export type IncidentRecord = z.infer<typeof incidentRecordSchema>
