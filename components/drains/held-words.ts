import { isOver } from '@/server/contract/drain-rules.ts'
import type { Drain, HeldPart } from '@/server/contract/drains.ts'
import type { Overview } from '@/server/contract/fleet.ts'

/** Held for longer than this is probably forgotten. */
const FORGOTTEN_MS = 4 * 3_600_000

/** The region or node that is held. */
export const heldName = (part: Pick<HeldPart, 'region' | 'node'>): string => part.region ?? part.node ?? '?'

/** Whether somebody should be reminded that it is out of service; `now` is epoch ms, 0 while it is not known. */
export const isForgotten = (part: Pick<HeldPart, 'since'>, now: number): boolean =>
  now > 0 && now - Date.parse(part.since) > FORGOTTEN_MS

/**
 * What the first page says about drains: those that are still at work, and what the others left out of service. A drain that has emptied
 * its region is not at work any more; what people then need is the way back.
 */
export const drainsAtHand = ({
  drains,
  held,
}: Pick<Overview, 'drains' | 'held'>): { underWay: Drain[]; held: HeldPart[] } => {
  const holding = new Set((held ?? []).map((part) => part.drainId))
  const underWay = drains.filter(
    (drain) => !isOver(drain) && !(drain.state === 'drained' && holding.has(drain.id)),
  )
  const busy = new Set(underWay.map((drain) => drain.id))
  return { underWay, held: (held ?? []).filter((part) => !busy.has(part.drainId)) }
}
