'use client'

import { Table2 } from 'lucide-react'
import { memo, useDeferredValue, useId, useMemo, useRef, useState } from 'react'
import {
  Area,
  Bar,
  CartesianGrid,
  ComposedChart,
  Line,
  type MouseHandlerDataParam,
  ReferenceArea,
  ReferenceLine,
  Tooltip,
  XAxis,
  YAxis,
} from 'recharts'
import type { SeriesGap } from '@/server/contract/series.ts'
import { formatClock, formatMinute, formatNumber } from '../ui/format.ts'
import { useOnScreen } from '../ui/use-on-screen.ts'
import { useZone } from '../ui/zone.ts'
import type { ChartMarker } from './chart-marker.ts'
import { ChartReading } from './chart-reading.tsx'
import { type ChartRow, lastValue, newestOf } from './chart-rows.ts'
import { ChartTable } from './chart-table.tsx'
import { EndLabels } from './end-labels.tsx'
import { GapHatch } from './gap-hatch.tsx'
import { countCeiling, niceCeiling, timeTicks } from './scale.ts'

export interface ChartLine {
  key: string
  label: string
  color: string
  /** Drawn broken, to tell lines apart without colour. */
  dash?: string
}

export interface TimeChartProps {
  /** Names the chart in the page, for example `connections`. */
  id: string
  title: string
  unit: string
  kind: 'line' | 'area' | 'bars'
  rows: ChartRow[]
  lines: ChartLine[]
  /** Epoch ms. */
  from: number
  to: number
  gaps?: readonly SeriesGap[]
  markers?: readonly ChartMarker[]
  /** An instant pointed at elsewhere. */
  instant?: number | null
  onZoom?: (from: number, to: number) => void
  syncId?: string
  /** The node whose chart this is: its gaps fill the height. A gap of one node among several is a strip along the ground. */
  only?: string | null
}

const HEIGHT = 148
const MARGIN = { top: 14, right: 4, bottom: 0, left: 0 }
const X_AXIS_HEIGHT = 20
const Y_AXIS_WIDTH = 40
const PARTIAL_GAP = 0.05
/** A drag shorter than this is a click. */
const MIN_ZOOM_MS = 10_000

const asTime = (state: MouseHandlerDataParam): number | null => {
  const value = Number(state.activeLabel)
  return state.activeLabel !== undefined && Number.isFinite(value) ? value : null
}

/** Draws points over time and fetches nothing. What is off screen keeps its last picture. */
export const TimeChart = memo(function TimeChart(props: TimeChartProps) {
  const [ref, onScreen] = useOnScreen<HTMLElement>()
  const held = useRef(props)
  if (onScreen || held.current.rows.length === 0) held.current = props
  // Low priority: a burst of samples never delays a click, and several charts spread over several frames.
  const shown = useDeferredValue(held.current)
  const [asTable, setAsTable] = useState(false)
  const newest = useMemo(() => newestOf(shown.rows), [shown.rows])
  const caption = useId()
  const total = shown.lines.length === 1 && shown.lines[0] ? lastValue(shown.rows, shown.lines[0].key) : null
  return (
    <figure
      ref={ref}
      data-chart={props.id}
      data-newest={newest ?? undefined}
      aria-labelledby={caption}
      className="min-w-0"
    >
      <figcaption className="flex items-baseline justify-between gap-2">
        <span className="flex min-w-0 items-baseline gap-2">
          <span id={caption} className="font-medium">
            {props.title}
          </span>
          <span className="truncate text-faint text-xs">{props.unit}</span>
        </span>
        <span className="flex items-center gap-1">
          {total !== null && <span className="num font-semibold text-base">{formatNumber(total)}</span>}
          <button
            type="button"
            aria-pressed={asTable}
            aria-label={`${props.title} as a table`}
            title="As a table"
            onClick={() => setAsTable(!asTable)}
            className="grid size-7 place-items-center rounded-[3px] text-faint hover:bg-sunken hover:text-ink aria-pressed:text-accent"
          >
            <Table2 size={14} aria-hidden />
          </button>
        </span>
      </figcaption>
      {asTable ? (
        <ChartTable rows={shown.rows} lines={shown.lines} title={props.title} />
      ) : (
        <Plot {...shown} />
      )}
    </figure>
  )
})

function Plot({
  id,
  kind,
  rows,
  lines,
  from,
  to,
  gaps = [],
  markers = [],
  instant,
  onZoom,
  syncId,
  title,
  unit,
  only,
}: TimeChartProps) {
  const zone = useZone()
  const hatch = `hatch-${useId()}`
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null)
  const ceiling = useMemo(() => {
    let most = 0
    for (const row of rows) for (const line of lines) most = Math.max(most, row[line.key] ?? 0)
    return kind === 'bars' ? countCeiling(most) : niceCeiling(most * 1.05)
  }, [rows, lines, kind])
  const ticks = useMemo(() => timeTicks(from, to, 5), [from, to])
  const labelled = lines.length > 1

  const finish = () => {
    if (drag && onZoom && Math.abs(drag.to - drag.from) >= MIN_ZOOM_MS)
      onZoom(Math.min(drag.from, drag.to), Math.max(drag.from, drag.to))
    setDrag(null)
  }

  if (rows.length === 0) {
    return (
      <div className="grid place-items-center text-faint text-xs" style={{ height: HEIGHT }}>
        No measurements in this span
      </div>
    )
  }
  return (
    <div
      className="relative flex select-none"
      role="img"
      aria-label={`${title}, ${unit}; the same data is in the table`}
    >
      <div className="min-w-0 flex-1">
        <ComposedChart
          responsive
          accessibilityLayer={false}
          data={rows}
          margin={MARGIN}
          barCategoryGap={1}
          style={{ width: '100%', height: HEIGHT }}
          {...(syncId ? { syncId, syncMethod: 'value' as const } : {})}
          onMouseDown={(state) => {
            const t = asTime(state)
            if (onZoom && t !== null) setDrag({ from: t, to: t })
          }}
          onMouseMove={(state) => {
            const t = asTime(state)
            if (drag && t !== null && t !== drag.to) setDrag({ ...drag, to: t })
          }}
          onMouseUp={finish}
          onMouseLeave={() => setDrag(null)}
        >
          <GapHatch id={hatch} />
          <CartesianGrid vertical={false} stroke="var(--hairline)" />
          <XAxis
            dataKey="t"
            type="number"
            scale="time"
            domain={[from, to]}
            ticks={ticks}
            allowDataOverflow
            height={X_AXIS_HEIGHT}
            tickFormatter={(t: number) => formatMinute(t, zone)}
            tick={{ fill: 'var(--ink-faint)', fontSize: 11, fontFamily: 'var(--font-mono)' }}
            tickLine={false}
            axisLine={{ stroke: 'var(--hairline-strong)' }}
          />
          <YAxis
            width={Y_AXIS_WIDTH}
            domain={[0, ceiling]}
            ticks={[0, ceiling / 2, ceiling]}
            tickFormatter={(value: number) => formatNumber(value)}
            tick={{ fill: 'var(--ink-faint)', fontSize: 11, fontFamily: 'var(--font-mono)' }}
            tickLine={false}
            axisLine={false}
          />
          {gaps.map((gap) => (
            <ReferenceArea
              key={`${gap.node ?? ''}${gap.from}`}
              x1={Math.max(gap.from, from)}
              x2={Math.min(gap.to, to)}
              {...(gap.node && gap.node !== only ? { y1: 0, y2: ceiling * PARTIAL_GAP } : {})}
              fill={`url(#${hatch})`}
              stroke="none"
              ifOverflow="hidden"
            />
          ))}
          {markers
            .filter((marker) => marker.at > from && marker.at < to)
            .map((marker) => (
              <ReferenceLine
                key={`${marker.letter}${marker.at}`}
                x={marker.at}
                stroke="var(--hairline-strong)"
                strokeDasharray="2 3"
                ifOverflow="hidden"
                label={{
                  value: marker.letter,
                  position: 'top',
                  fontSize: 10,
                  fill: 'var(--ink-faint)',
                  fontFamily: 'var(--font-mono)',
                }}
              />
            ))}
          {instant !== null && instant !== undefined && (
            <ReferenceLine x={instant} stroke="var(--accent)" strokeWidth={1.5} ifOverflow="hidden" />
          )}
          <Tooltip
            isAnimationActive={false}
            cursor={{ stroke: 'var(--ink-faint)', strokeWidth: 1, fill: 'transparent' }}
            content={({ active, label }) =>
              active ? <ChartReading rows={rows} lines={lines} at={Number(label)} markers={markers} /> : null
            }
            formatter={(value) => formatNumber(Number(value))}
            labelFormatter={(label) => formatClock(Number(label), zone)}
          />
          {lines.map((line) => {
            const common = { dataKey: line.key, name: line.label, isAnimationActive: false } as const
            if (kind === 'bars')
              return <Bar key={line.key} {...common} fill={line.color} minPointSize={1} maxBarSize={6} />
            if (kind === 'area')
              return (
                <Area
                  key={line.key}
                  {...common}
                  type="linear"
                  connectNulls={false}
                  dot={false}
                  activeDot={{ r: 3, strokeWidth: 0 }}
                  stroke={line.color}
                  strokeWidth={1.5}
                  fill={line.color}
                  fillOpacity={0.09}
                />
              )
            return (
              <Line
                key={line.key}
                {...common}
                type="linear"
                connectNulls={false}
                dot={false}
                activeDot={{ r: 3, strokeWidth: 0 }}
                stroke={line.color}
                strokeWidth={1.5}
                {...(line.dash ? { strokeDasharray: line.dash } : {})}
              />
            )
          })}
          {drag && drag.from !== drag.to && (
            <ReferenceArea
              x1={drag.from}
              x2={drag.to}
              fill="var(--accent)"
              fillOpacity={0.15}
              ifOverflow="hidden"
            />
          )}
        </ComposedChart>
      </div>
      {labelled && (
        <EndLabels
          key={id}
          rows={rows}
          lines={lines}
          ceiling={ceiling}
          top={MARGIN.top}
          height={HEIGHT - MARGIN.top - X_AXIS_HEIGHT}
        />
      )}
    </div>
  )
}
