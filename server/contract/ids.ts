import { z } from 'zod'

/** Canonical id of a host, node or region: a DNS label in lower case (RFC 1035 §2.3.1), 1 to 63 characters. */
export const ID_PATTERN = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/** Host ids are checked by this wider form on the wire: `[a-z0-9-]{1,63}`. */
export const HOST_ID_PATTERN = /^[a-z0-9-]{1,63}$/

export const idSchema = z.string().regex(ID_PATTERN, 'must be a lower-case DNS label, for example fra-1')
export const hostIdSchema = z
  .string()
  .regex(HOST_ID_PATTERN, 'must match [a-z0-9-]{1,63}, for example host-07')

/** A moment as ISO 8601 in UTC, for example `2026-04-27T18:00:00.000Z`. */
export type IsoTime = string

/** A page of a list. `nextCursor` is null on the last page. */
export interface Page<T> {
  items: T[]
  nextCursor: string | null
}
