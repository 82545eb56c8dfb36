import { z } from 'zod'

/** A moment as ISO 8601 in UTC, for example `2026-04-27T18:00:00.000Z`. */
export const isoTime = z.iso.datetime()
/** Epoch milliseconds. */
export const epochMs = z.number()
/** A whole number of things, never below zero. */
export const count = z.number().int().nonnegative()
/** Milliseconds; measured ones have fractions. */
export const milliseconds = z.number()

/** A page of a list. `nextCursor` is null on the last page. */
export const pageSchema = <Item extends z.ZodType>(item: Item) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() })
