'use client'

import { useKnown } from '../data/known.ts'
import { formatNumber } from '../ui/format.ts'
import type { ChartLine } from './chart-line.ts'
import { type ChartRow, lastValue } from './chart-rows.ts'
import { spreadLabels } from './scale.ts'

const LINE_HEIGHT = 15

/** Names and newest values at the lines' ends, in place of a legend. */
export function EndLabels({
  rows,
  lines,
  ceiling,
  since,
  top,
  height,
}: {
  rows: ChartRow[]
  lines: ChartLine[]
  ceiling: number
  /** Epoch ms; a line whose last point is older has ended, and shows no value. */
  since: number
  top: number
  height: number
}) {
  const { known } = useKnown()
  const values = lines.map((line) => lastValue(rows, line.key, since))
  const wanting = lines.map((line, index) => values[index] ?? lastValue(rows, line.key))
  const wanted = wanting.map((value) => (1 - (value ?? 0) / ceiling) * height - LINE_HEIGHT / 2)
  const placed = spreadLabels(wanted, LINE_HEIGHT, height)
  return (
    <div className="relative w-28 shrink-0 text-xs max-sm:w-24" aria-hidden="true">
      {lines.map((line, index) => (
        <span
          key={line.key}
          className="absolute inset-x-0 left-1 flex items-baseline justify-between gap-1 whitespace-nowrap leading-[15px]"
          style={{ top: top + (placed[index] ?? 0), color: line.color }}
        >
          <span className="truncate">{line.label}</span>
          <span className="num font-semibold">
            {!known && values[index] !== null && <span className="font-normal">was </span>}
            {values[index] === null && wanting[index] !== null ? 'ended' : formatNumber(values[index])}
          </span>
        </span>
      ))}
    </div>
  )
}
