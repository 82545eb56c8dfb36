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
import type { SeriesGap } from '@/server/contract/answers/series.ts'
import { SETTLE_MS } from '@/server/contract/series.ts'
import { useKnown } from '../data/known.ts'
import { formatClock, formatMinute, formatNumber } from '../ui/format.ts'
import { useOnScreen } from '../ui/use-on-screen.ts'
import { useZone } from '../ui/zone.ts'
import { BandHatch } from './band-hatch.tsx'
import type { ChartBand } from './chart-band.ts'
import type { ChartLine } from './chart-line.ts'
import type { ChartMarker } from './chart-marker.ts'
import { ChartReading } from './chart-reading.tsx'
import { bandKeys, type ChartRow, ENDED_STEPS, lastValue, newestOf } from './chart-rows.ts'
import { ChartTable } from './chart-table.tsx'
import { EndLabels } from './end-labels.tsx'
import { GapHatch } from './gap-hatch.tsx'
import { countCeiling, niceCeiling, timeTicks } from './scale.ts'

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
  /** Times of maintenance. */
  bands?: readonly ChartBand[]
  /** An instant pointed at elsewhere. */
  instant?: number | null
  /** Milliseconds of one step, by which a line that has ended differs from one that waits for its next point. */
  step?: number
  /** The current number that the rest of the page shows; where given, the head shows it instead of the last step's. */
  current?: number | null | undefined
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
/** A band that is narrower than this share of the chart has no room for its letter. */
const LABELLED_BAND = 0.05
const BAND_LABEL = {
  value: 'M',
  position: 'insideTopLeft',
  fontSize: 10,
  fill: 'var(--ink-faint)',
  fontFamily: 'var(--font-mono)',
} as const
const TICK = { fill: 'var(--ink-faint)', fontSize: 11, fontFamily: 'var(--font-mono)' }
const X_LINE = { stroke: 'var(--hairline-strong)' }
const CURSOR = { stroke: 'var(--ink-faint)', strokeWidth: 1, fill: 'transparent' }
const ABOVE_LABELS = { zIndex: 20 }
const ACTIVE_DOT = { r: 3, strokeWidth: 0 }
const PLOT_STYLE = { width: '100%', height: HEIGHT }
/** The axis has room for five characters: from ten thousand on it counts thousands. */
const inNumbers = (value: number) => (value < 10_000 ? formatNumber(value) : `${formatNumber(value / 1000)}k`)

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
  const { known } = useKnown()
  const [only] = shown.lines
  const since = endedBefore(shown)
  const measured = shown.lines.length === 1 && only ? lastValue(shown.rows, only.key, since) : null
  const total = measured === null ? null : (props.current ?? measured)
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
          {total !== null && (
            <span className={`num font-semibold text-base ${known ? '' : 'text-unknown'}`}>
              {!known && 'was '}
              {formatNumber(total)}
            </span>
          )}
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
        <ChartTable
          rows={shown.rows}
          lines={shown.lines}
          title={props.title}
          {...(shown.bands ? { bands: shown.bands } : {})}
        />
      ) : (
        <Plot {...shown} />
      )}
    </figure>
  )
})

/** Points before this, epoch ms, are not of the line's end any more. */
const endedBefore = ({ to, step }: Pick<TimeChartProps, 'to' | 'step'>): number =>
  step === undefined ? Number.NEGATIVE_INFINITY : to - ENDED_STEPS * step - SETTLE_MS

const Plot = memo(function Plot({
  id,
  kind,
  rows,
  lines,
  from,
  to,
  gaps = [],
  markers = [],
  bands = [],
  instant,
  onZoom,
  syncId,
  title,
  unit,
  only,
  step,
}: Omit<TimeChartProps, 'current'>) {
  const zone = useZone()
  // Every chart of the block shows the crosshair; the reading is on the one that is pointed at.
  const [pointed, setPointed] = useState(false)
  const hatch = `hatch-${useId()}`
  const banded = `band-${useId()}`
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null)
  const ceiling = useMemo(() => {
    let most = 0
    for (const row of rows)
      for (const line of lines) most = Math.max(most, row[line.key] ?? 0, row[bandKeys(line.key).max] ?? 0)
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
      onPointerEnter={() => setPointed(true)}
      onPointerLeave={() => setPointed(false)}
    >
      <div className="min-w-0 flex-1">
        <ComposedChart
          responsive
          accessibilityLayer={false}
          data={rows}
          margin={MARGIN}
          barCategoryGap={1}
          style={PLOT_STYLE}
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
          <BandHatch id={banded} />
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
            tick={TICK}
            tickLine={false}
            axisLine={X_LINE}
          />
          <YAxis
            width={Y_AXIS_WIDTH}
            domain={[0, ceiling]}
            ticks={[0, ceiling / 2, ceiling]}
            tickFormatter={inNumbers}
            tick={TICK}
            tickLine={false}
            axisLine={false}
          />
          {bands
            .filter((band) => band.from < to && band.to > from)
            .map((band) => (
              <ReferenceArea
                key={band.id}
                x1={Math.max(band.from, from)}
                x2={Math.min(band.to, to)}
                fill={`url(#${banded})`}
                stroke="none"
                ifOverflow="hidden"
                {...(Math.min(band.to, to) - Math.max(band.from, from) >= (to - from) * LABELLED_BAND
                  ? { label: BAND_LABEL }
                  : {})}
              />
            ))}
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
            cursor={CURSOR}
            wrapperStyle={ABOVE_LABELS}
            content={({ active, label }) =>
              active && pointed ? (
                <ChartReading rows={rows} lines={lines} at={Number(label)} markers={markers} bands={bands} />
              ) : null
            }
            formatter={(value) => formatNumber(Number(value))}
            labelFormatter={(label) => formatClock(Number(label), zone)}
          />
          {kind !== 'bars' &&
            lines.map((line) => (
              <Area
                key={`${line.key} band`}
                dataKey={bandOf(line.key)}
                isAnimationActive={false}
                type="linear"
                connectNulls={false}
                dot={false}
                activeDot={false}
                stroke="none"
                fill={line.color}
                fillOpacity={0.16}
                tooltipType="none"
                legendType="none"
              />
            ))}
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
                  activeDot={ACTIVE_DOT}
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
                activeDot={ACTIVE_DOT}
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
          since={endedBefore({ to, ...(step === undefined ? {} : { step }) })}
          top={MARGIN.top}
          height={HEIGHT - MARGIN.top - X_AXIS_HEIGHT}
        />
      )}
    </div>
  )
})

const bands = new Map<string, (row: ChartRow) => [number, number] | null>()

/** Reads a line's band out of a row; the same function each time, because another one would make the chart anew. */
const bandOf = (key: string): ((row: ChartRow) => [number, number] | null) => {
  const known = bands.get(key)
  if (known) return known
  const { min, max } = bandKeys(key)
  const read = (row: ChartRow): [number, number] | null => {
    const low = row[min]
    const high = row[max]
    return typeof low === 'number' && typeof high === 'number' ? [low, high] : null
  }
  bands.set(key, read)
  return read
}
