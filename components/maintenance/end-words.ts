import type { HeldBack, MaintenanceWindow } from '@/server/contract/maintenance.ts'
import { maintenanceSubject } from '@/server/contract/maintenance.ts'
import { plural } from '../ui/format.ts'

/** With more than these a dialog would have to be scrolled; the list behind it has them all. */
const MAX_NAMED = 5

/** What follows when somebody ends a window now, or removes one that has not begun. */
export const endWords = (window: Pick<MaintenanceWindow, 'state' | 'held' | 'regions' | 'nodes'>): string => {
  if (window.state === 'planned')
    return 'It will not begin, and leaves this list; the audit log keeps who removed it. What happens at that time opens incidents as ever.'
  return [
    `From now on what happens to ${maintenanceSubject(window)} opens incidents again, and people are notified, also of what was open before and was kept quiet.`,
    heldWords(window.held ?? []),
    'The window stays in the list as past, with your name. A drain is not touched by it.',
  ].join(' ')
}

/** What is held back opens only if it still holds at the next look, a second later. */
const heldWords = (held: readonly HeldBack[]): string => {
  if (held.length === 0) return 'At the moment it holds nothing back.'
  const named = held.slice(0, MAX_NAMED).map(({ sentence }) => sentence)
  const more = held.length - named.length
  const list = [...named, ...(more > 0 ? [`${more} more`] : [])].join('; ')
  return `It holds ${plural(held.length, 'thing')} back, and what still holds opens an incident in the next second: ${list}.`
}
