import type { HeldPart } from '@/server/contract/drains.ts'

/** Held for longer than this is probably forgotten. */
const FORGOTTEN_MS = 4 * 3_600_000

/** The region or node that is held. */
export const heldName = (part: Pick<HeldPart, 'region' | 'node'>): string => part.region ?? part.node ?? '?'

/** Whether somebody should be reminded that it is out of service; `now` is epoch ms, 0 while it is not known. */
export const isForgotten = (part: Pick<HeldPart, 'since'>, now: number): boolean =>
  now > 0 && now - Date.parse(part.since) > FORGOTTEN_MS
