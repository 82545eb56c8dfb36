import { z } from 'zod'
import { isoTime, pageSchema } from '../parts.ts'
import { seriesGapSchema } from './series.ts'

export const TIMELINE_KINDS = [
  'event',
  'signal',
  'incident',
  'drain',
  'operator',
  'notification',
  'annotation',
  'note',
] as const
export type TimelineKind = (typeof TIMELINE_KINDS)[number]

const rowSchema = z.object({
  id: z.string(),
  at: isoTime,
  receivedAt: isoTime,
  kind: z.enum(TIMELINE_KINDS),
  source: z.string().describe('Node id, "collector", or the actor\'s e-mail'),
  title: z.string(),
  data: z.record(z.string(), z.unknown()),
})

export const timelineItemSchema = rowSchema
  .extend({
    folded: z.array(z.string()).describe('Ids of the rows that this one stands for').optional(),
    members: z
      .array(rowSchema)
      .describe('The rows that this one stands for; only where the request says members=yes')
      .optional(),
    membersLeftOut: z
      .number()
      .int()
      .describe('How many more it stands for; absent where `members` are all')
      .optional(),
  })
  .meta({ id: 'TimelineItem' })
export type TimelineItem = z.infer<typeof timelineItemSchema>

/** `GET /incidents/:id/timeline`. */
export const timelineSchema = pageSchema(timelineItemSchema)
  .extend({ gaps: z.array(seriesGapSchema) })
  .meta({ id: 'Timeline' })
export type Timeline = z.infer<typeof timelineSchema>

export const annotationAnswerSchema = z
  .object({
    id: z.string(),
    at: isoTime,
    title: z.string(),
    kind: z.enum(['deploy', 'note']),
    regions: z.array(z.string()),
    actor: z.string(),
  })
  .meta({ id: 'Annotation' })
export type Annotation = z.infer<typeof annotationAnswerSchema>
