'use client'

import { formatClock } from '../ui/format.ts'
import { useZone } from '../ui/zone.ts'
import { bandsWithin, type ChartBand } from './chart-band.ts'
import type { ChartLine } from './chart-line.ts'
import type { ChartRow } from './chart-rows.ts'
import { readingOf } from './reading.ts'

/** The chart's data as a table, newest first, for reading aloud and copying. */
export function ChartTable({
  rows,
  lines,
  title,
  bands = [],
}: {
  rows: ChartRow[]
  lines: ChartLine[]
  title: string
  bands?: readonly ChartBand[]
}) {
  const zone = useZone()
  const shown = rows.map((row, index) => ({ row, end: rows[index + 1]?.t ?? row.t + 1 }))
  // A column only where it says something.
  const hasBands = shown.some(({ row, end }) => bandsWithin(bands, row.t, end).length > 0)
  return (
    <section
      className="h-[148px] overflow-y-auto border border-hairline"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
      tabIndex={0}
      aria-label={`${title}, table`}
    >
      <table className="w-full text-xs">
        <thead className="sticky top-0 bg-canvas text-left text-faint">
          <tr>
            <th className="px-2 py-1 font-medium">{zone === 'utc' ? 'Time, UTC' : 'Time, local'}</th>
            {lines.map((line) => (
              <th key={line.key} className="px-2 py-1 text-right font-medium">
                {line.label}
              </th>
            ))}
            {hasBands && <th className="px-2 py-1 font-medium">Maintenance</th>}
          </tr>
        </thead>
        <tbody>
          {shown.reverse().map(({ row, end }) => (
            <tr key={row.t} className="border-hairline border-t">
              <td className="num px-2">{formatClock(row.t, zone)}</td>
              {lines.map((line) => (
                <td key={line.key} className="num px-2 text-right">
                  {readingOf(row, line.key)}
                </td>
              ))}
              {hasBands && (
                <td className="px-2">
                  {bandsWithin(bands, row.t, end)
                    .map((band) => band.title)
                    .join(', ')}
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}
