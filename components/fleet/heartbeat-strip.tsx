'use client'

import { type KeyboardEvent, memo, type PointerEvent, useState } from 'react'
import type { ObservedState } from '@/server/contract/states.ts'
import type { Strip } from '../data/heartbeats.ts'
import { useKnown } from '../data/known.ts'
import { formatClock, formatDuration } from '../ui/format.ts'
import { useZone } from '../ui/zone.ts'
import { cellWords, stripWords } from './heartbeat-words.ts'

const HEIGHT = 16
const CELL = 4
const BAR = 3

/** Told apart by shape as well as colour: full, half from below, full and notched, a frame, thirds. */
const SHAPES: Record<ObservedState, string> = {
  up: `M0 2h${BAR}v12h-${BAR}Z`,
  degraded: `M0 8h${BAR}v8h-${BAR}Z`,
  down: `M0 0h${BAR}v6h-${BAR}ZM0 9h${BAR}v7h-${BAR}Z`,
  draining: `M0 11h${BAR}v5h-${BAR}ZM0 5h${BAR}v3h-${BAR}Z`,
  drained: `M0 12h${BAR}v4h-${BAR}Z`,
  unknown: `M0 2h${BAR}v12h-${BAR}ZM0.8 3.2v9.6h1.4v-9.6Z`,
}
const STATES = Object.keys(SHAPES) as ObservedState[]
const NOT_ASKED = `M0 14h${BAR}v1.5h-${BAR}Z`

/**
 * Recent polls, oldest left: the worst of each span by shape and colour. Under the pointer, or by the arrow keys, one span reads
 * aloud what happened then.
 */
export const HeartbeatStrip = memo(function HeartbeatStrip({
  strip,
  label,
}: {
  strip: Strip | undefined
  label: string
}) {
  const zone = useZone()
  const { known } = useKnown()
  const [at, setAt] = useState<number | null>(null)
  if (!strip) return <div className="h-[34px]" aria-hidden="true" />
  const { cells, from, to, cellMs } = strip
  const last = cells.length - 1
  const read = (index: number) => cellWords(cells[index] ?? null, from + index * cellMs, zone)
  const point = (event: PointerEvent<HTMLElement>) => {
    const box = event.currentTarget.getBoundingClientRect()
    const share = (event.clientX - box.left) / Math.max(1, box.width)
    setAt(Math.min(last, Math.max(0, Math.floor(share * cells.length))))
  }
  const press = (event: KeyboardEvent) => {
    const here = at ?? last
    const moves: Record<string, number> = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: last }
    const to = moves[event.key]
    if (to === undefined) return
    event.preventDefault()
    setAt(Math.min(last, Math.max(0, to)))
  }
  return (
    <div className="grid gap-0.5">
      <div
        role="slider"
        tabIndex={0}
        aria-label={`${label}, ${stripWords(strip)}`}
        aria-valuemin={0}
        aria-valuemax={last}
        aria-valuenow={at ?? last}
        aria-valuetext={read(at ?? last)}
        onPointerMove={point}
        onPointerDown={point}
        onPointerLeave={() => setAt(null)}
        onKeyDown={press}
        onFocus={() => setAt((known) => known ?? last)}
        onBlur={() => setAt(null)}
        data-heartbeat
      >
        <svg
          viewBox={`0 0 ${cells.length * CELL} ${HEIGHT}`}
          preserveAspectRatio="none"
          className="block h-4 w-full"
          aria-hidden="true"
        >
          <Cells cells={cells} />
          {at !== null && (
            <path
              d={`M${at * CELL - 0.5} 0v${HEIGHT}M${at * CELL + BAR + 0.5} 0v${HEIGHT}`}
              stroke="var(--ink)"
              strokeWidth="1"
              vectorEffect="non-scaling-stroke"
            />
          )}
        </svg>
      </div>
      <p
        className="flex h-4 justify-between gap-2 overflow-hidden whitespace-nowrap text-faint text-xs"
        aria-hidden="true"
      >
        {at === null ? (
          <>
            <span>{known ? `${formatDuration(to - from)} ago` : formatClock(from, zone)}</span>
            <span>{known ? 'now' : formatClock(to, zone)}</span>
          </>
        ) : (
          <span className="num truncate text-ink">{read(at)}</span>
        )}
      </p>
    </div>
  )
})

/** One path a state, so that sixty cells are a handful of elements. */
const Cells = memo(function Cells({ cells }: { cells: Strip['cells'] }) {
  const placed = (shape: string, index: number) =>
    shape.replace(/M([\d.]+)/g, (_, x: string) => `M${Number(x) + index * CELL}`)
  const missing = cells.flatMap((cell, index) => (cell === null ? [placed(NOT_ASKED, index)] : []))
  return (
    <>
      {missing.length > 0 && <path d={missing.join('')} fill="var(--unknown)" data-cells="missing" />}
      {STATES.map((state) => {
        const paths = cells.flatMap((cell, index) =>
          cell?.state === state ? [placed(SHAPES[state], index)] : [],
        )
        if (paths.length === 0) return null
        return (
          <path
            key={state}
            d={paths.join('')}
            fill={`var(--${state})`}
            fillRule="evenodd"
            data-cells={state}
          />
        )
      })}
    </>
  )
})
