'use client'

import { formatClock } from '../ui/format.ts'
import { useZone } from '../ui/zone.ts'
import { bandsWithin, type ChartBand } from './chart-band.ts'
import type { ChartLine } from './chart-line.ts'
import type { ChartMarker } from './chart-marker.ts'
import type { ChartRow } from './chart-rows.ts'
import { readingOf } from './reading.ts'

/** More would make the reading larger than the plot. */
const MARKERS = 3

/** The values under the crosshair. */
export function ChartReading({
  rows,
  lines,
  at,
  markers,
  bands = [],
}: {
  rows: ChartRow[]
  lines: ChartLine[]
  at: number
  markers: readonly ChartMarker[]
  bands?: readonly ChartBand[]
}) {
  const zone = useZone()
  const index = rows.findIndex((row) => row.t === at)
  const row = rows[index]
  if (!row) return null
  const next = rows[index + 1]?.t ?? at + 10_000
  const here = markers.filter((marker) => marker.at >= at && marker.at < next)
  return (
    <div className="max-w-[220px] rounded-[4px] border border-hairline-strong bg-raised px-2 py-1 text-xs shadow-sm">
      <div className="num text-faint">{formatClock(at, zone)}</div>
      {lines.map((line) => (
        <div key={line.key} className="flex justify-between gap-3">
          <span style={{ color: line.color }} className="truncate">
            {line.label}
          </span>
          <span className="num text-right">{readingOf(row, line.key)}</span>
        </div>
      ))}
      {here.slice(0, MARKERS).map((marker) => (
        <div key={marker.letter + marker.at} className="line-clamp-2 text-soft">
          {marker.letter} {marker.title}
        </div>
      ))}
      {bandsWithin(bands, at, next).map((band) => (
        <div key={band.id} className="line-clamp-2 text-soft">
          M maintenance: {band.title}
        </div>
      ))}
      {here.length > MARKERS && <div className="text-faint">and {here.length - MARKERS} more</div>}
    </div>
  )
}
