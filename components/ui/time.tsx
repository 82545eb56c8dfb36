'use client'

import { useNow } from '../data/clock.ts'
import { formatClock, formatDate, formatDuration, UNKNOWN } from './format.ts'
import { useZone } from './zone.ts'

/** An instant. `clock` shows the time of day, `full` the date too, `ago` its age; hovering shows epoch, UTC, local and relative. */
export function Time({
  at,
  as = 'clock',
}: {
  at: string | number | null | undefined
  as?: 'clock' | 'full' | 'ago' | 'for'
}) {
  const now = useNow()
  const zone = useZone()
  if (at === null || at === undefined) return <span className="text-faint">{UNKNOWN}</span>
  const ms = typeof at === 'number' ? at : Date.parse(at)
  if (now === 0 || !Number.isFinite(ms)) return <span className="num">{UNKNOWN}</span>
  const age = formatDuration(now - ms)
  const relative = ms - now >= 1000 ? `in ${formatDuration(ms - now)}` : `${age} ago`
  const title = `${ms} · ${formatDate(ms, 'utc')} UTC · ${formatDate(ms, 'local')} local · ${relative}`
  const text =
    as === 'clock'
      ? formatClock(ms, zone)
      : as === 'full'
        ? formatDate(ms, zone)
        : as === 'ago'
          ? now - ms < 1000
            ? 'just now'
            : `${age} ago`
          : age
  return (
    <time dateTime={new Date(ms).toISOString()} title={title} className="num whitespace-nowrap">
      {text}
    </time>
  )
}
