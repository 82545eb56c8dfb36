'use client'

import { useMemo } from 'react'
import { chartRows, SETTLE_MS } from '../charts/chart-rows.ts'
import type { Range } from '../charts/range.ts'
import { useSeries } from '../queries/series.ts'
import { useOnScreen } from '../ui/use-on-screen.ts'

const RANGE: Range = { name: 'live', from: null, to: null }
const CELLS = 60
const METRICS = ['latency_ms'] as const
const HEIGHT = 16

/** One tick for each step that was measured, as tall as the poll was slow; a step without a measurement is a dot on the ground. */
export function HeartbeatStrip({ scope, label }: { scope: string; label: string }) {
  const [ref, onScreen] = useOnScreen<SVGSVGElement>()
  const scopes = useMemo(() => [scope], [scope])
  const [result] = useSeries(scopes, METRICS, RANGE, onScreen)
  const data = result?.data
  const cells = useMemo(() => {
    if (!data) return []
    const rows = new Map(
      chartRows([{ key: 'v', data, metric: 'latency_ms' }], 'value').map((row) => [row.t, row.v ?? null]),
    )
    const last = Math.floor((data.to - SETTLE_MS) / data.step) * data.step - data.step
    return Array.from({ length: CELLS }, (_, index) => {
      const t = last - (CELLS - 1 - index) * data.step
      return { t, value: rows.get(t) ?? null }
    })
  }, [data])
  const measured = cells.filter((cell) => cell.value !== null).length
  const text = data ? `${label}: ${measured} of the last ${CELLS} steps measured` : `${label}: loading`
  return (
    <svg
      ref={ref}
      viewBox={`0 0 ${CELLS * 4} ${HEIGHT}`}
      preserveAspectRatio="none"
      className="block h-4 w-full"
      role="img"
      aria-label={text}
    >
      <path d={`M0 ${HEIGHT - 0.5}H${CELLS * 4}`} stroke="var(--hairline)" strokeWidth="1" />
      {cells.map((cell, index) =>
        cell.value === null ? (
          <rect key={cell.t} x={index * 4 + 1} y={HEIGHT - 3} width="2" height="3" fill="var(--unknown)" />
        ) : (
          <rect
            key={cell.t}
            x={index * 4 + 0.5}
            width="2.5"
            height={Math.min(HEIGHT, 4 + Math.log2(1 + cell.value) * 1.6)}
            y={HEIGHT - Math.min(HEIGHT, 4 + Math.log2(1 + cell.value) * 1.6)}
            fill={cell.value > 1000 ? 'var(--degraded)' : 'var(--hairline-strong)'}
          />
        ),
      )}
    </svg>
  )
}
