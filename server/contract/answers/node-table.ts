import { z } from 'zod'

/**
 * How a cell is written: `name` an identifier, `text` words, `count` a whole number, `bytes`, `duration` milliseconds, `share` 0 to 1 as
 * per cent, `time` epoch milliseconds, `state` a word with its colour.
 */
export const TABLE_CELLS = ['name', 'text', 'count', 'bytes', 'duration', 'share', 'time', 'state'] as const

/** Which of our own states a `state` cell looks like; its word is that of the program. */
export const TABLE_TONES = ['up', 'degraded', 'draining', 'drained', 'down', 'unknown'] as const

const cell = z.union([
  z.string().max(256),
  z.number(),
  z.object({ tone: z.enum(TABLE_TONES), word: z.string().max(64) }),
  z.null(),
])

/** What a kind of node knows beside its numbers, for example the servers behind an HAProxy: drawn as a table on its page. */
export const nodeTableSchema = z
  .object({
    id: z.string().max(64).describe('Stable name within the kind, for example "servers"'),
    title: z.string().max(80),
    columns: z
      .array(z.object({ key: z.string().max(64), label: z.string().max(80), cell: z.enum(TABLE_CELLS) }))
      .max(12),
    rows: z
      .array(z.record(z.string(), cell))
      .max(500)
      .describe('By the keys of `columns`; null where it is not known'),
    total: z.number().int().nonnegative().describe('Rows there are; `rows` holds the first of them'),
  })
  .meta({ id: 'NodeTable' })
export type NodeTable = z.infer<typeof nodeTableSchema>
