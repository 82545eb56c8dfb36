import type { HeartbeatCell } from '@/server/contract/fleet.ts'
import type { ObservedState } from '@/server/contract/states.ts'
import type { Strip } from '../data/heartbeats.ts'
import { formatClock, formatDuration, type Zone } from '../ui/format.ts'

/** `14:57:20 down, refused: ECONNREFUSED`. */
export const cellWords = (cell: HeartbeatCell | null, start: number, zone: Zone): string =>
  cell === null
    ? `${formatClock(start, zone)} not asked`
    : `${formatClock(cell.at, zone)} ${cell.state}${cell.note ? `, ${cell.note}` : ''}`

const WORST: readonly ObservedState[] = ['down', 'unknown', 'degraded', 'draining', 'drained']

/** The whole strip for those who do not see it: `Last 6 min: up; down 3 of 60 times`. */
export const stripWords = ({ cells, from, to }: Strip): string => {
  const asked = cells.filter((cell) => cell !== null)
  const parts = WORST.flatMap((state) => {
    const count = asked.filter((cell) => cell.state === state).length
    return count === 0 ? [] : [`${state} ${count} of ${cells.length} times`]
  })
  const missing = cells.length - asked.length
  return `last ${formatDuration(to - from)}: ${[
    ...(parts.length === 0 && asked.length > 0 ? ['up'] : parts),
    ...(missing > 0 ? [`not asked ${missing} of ${cells.length} times`] : []),
  ].join(', ')}`
}
