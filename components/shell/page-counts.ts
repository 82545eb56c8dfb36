import { isActiveDrain } from '@/server/contract/drain-rules.ts'
import type { Overview } from '@/server/contract/fleet.ts'

/** Numbers beside the pages' names: incidents that are open, drains that are running or keep something out of service. */
export const pageCounts = (
  overview: Pick<Overview, 'incidents' | 'drains' | 'held'> | undefined,
): Record<string, number> => {
  if (!overview) return {}
  const active = overview.drains.filter(isActiveDrain).map((drain) => drain.id)
  const held = (overview.held ?? []).map((part) => part.drainId)
  return {
    '/incidents': overview.incidents.filter((incident) => incident.state !== 'resolved').length,
    '/drains': new Set([...active, ...held]).size,
  }
}
