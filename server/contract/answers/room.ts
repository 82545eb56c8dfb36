import { z } from 'zod'
import { count, isoTime, milliseconds } from '../parts.ts'
import { ROOM_PROBLEM_CODES } from '../room.ts'

/** Something that is wrong with the control room itself, or with what it can know: a banner on every page. */
export const roomProblemSchema = z
  .object({
    code: z.enum(ROOM_PROBLEM_CODES),
    text: z.string().describe('One sentence: what is wrong'),
    brief: z
      .string()
      .describe(
        '`text` without what only its banner has to say, as a part of the headline; absent: `text` itself',
      )
      .optional(),
    details: z
      .array(z.string())
      .max(20)
      .describe('What `text` joins, one entry each; more than it names')
      .optional(),
    remedy: z.string().describe('One sentence: what to do'),
    since: isoTime,
  })
  .meta({ id: 'RoomProblem' })
export type RoomProblem = z.infer<typeof roomProblemSchema>

/** How the control room itself is doing. */
export const roomCheckSchema = z
  .object({
    problems: z.array(roomProblemSchema),
    events: z.object({
      queued: count.describe('Read from nodes or created here, and not stored yet'),
      queuedBytes: count,
      dropped: count.describe('Refused by the store one by one and given up, since the start'),
      stored: count,
      oldestAgeMs: milliseconds
        .nullable()
        .describe('Milliseconds that the oldest unstored event has waited; null while none does'),
      lastStoredAt: isoTime.nullable(),
      refused: z
        .record(z.string(), count)
        .describe('Events of nodes that were refused since the start, by reason'),
      throttledMs: milliseconds.describe(
        'Milliseconds for which nodes were read more slowly because they sent too much',
      ),
    }),
    hosts: z.object({ known: count, overflowed: count, forgotten: count }),
    history: z
      .object({
        waiting: count.describe('Judgements and documents that are not stored yet'),
        dropped: count.describe('Given up since the start, because too much waited for the store'),
      })
      .optional(),
    signals: z
      .object({
        faults: count.describe('How often a rule failed to say whether its signal holds, since the start'),
      })
      .optional(),
    parts: z
      .record(z.string(), milliseconds)
      .describe('Milliseconds since each part last made progress; a part that has nothing to do is absent'),
  })
  .meta({ id: 'RoomCheck' })
export type RoomCheck = z.infer<typeof roomCheckSchema>
