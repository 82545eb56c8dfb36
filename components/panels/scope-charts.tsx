'use client'

import { type ReactNode, useMemo } from 'react'
import type { Node } from '@/server/contract/fleet.ts'
import type { MetricName } from '@/server/contract/series.ts'
import { bandsOf, type ChartBand } from '../charts/chart-band.ts'
import type { ChartLine } from '../charts/chart-line.ts'
import { MARKED_EVENTS, markersOf } from '../charts/chart-marker.ts'
import { chartRows } from '../charts/chart-rows.ts'
import { type ChartSpec, LINE_COLORS, LINE_DASHES } from '../charts/chart-specs.ts'
import { distinctGaps } from '../charts/distinct-gaps.ts'
import { TimeChart } from '../charts/time-chart.tsx'
import { serverNow } from '../data/clock.ts'
import { errorText } from '../data/error-text.ts'
import { useEvents } from '../data/events.ts'
import { useKnown } from '../data/known.ts'
import { useMaintenanceSince } from '../data/maintenance.ts'
import type { SeriesData } from '../data/merge-series.ts'
import { useOverview } from '../data/overview.ts'
import { isLive, RANGE_MS, type Range, spanOf } from '../data/range.ts'
import { useSeries } from '../data/series.ts'
import { useOnScreen } from '../ui/use-on-screen.ts'

const MARKED_TYPES = Object.keys(MARKED_EVENTS)

export interface ChartScope {
  /** `fleet`, `region:fra`, `node:fra-1`. */
  scope: string
  label: string
}

/** A block of charts over the same span, with one crosshair. With several scopes each chart has one line a scope. */
export function ScopeCharts({
  scopes,
  specs,
  range,
  onZoom,
  instant,
  node,
  region,
  current,
}: {
  scopes: readonly ChartScope[]
  specs: readonly ChartSpec[]
  range: Range
  onZoom?: (from: number, to: number) => void
  instant?: number | null
  /** Restricts the event markers. */
  node?: string
  region?: string
  /** Current numbers by metric, as the rest of the page shows them; for live charts of one scope. */
  current?: Partial<Record<MetricName, number | null>> | undefined
}) {
  const [ref, onScreen] = useOnScreen<HTMLDivElement>()
  const metrics = useMemo(
    () => [...new Set(specs.flatMap((spec) => spec.metrics.map((entry) => entry.metric)))],
    [specs],
  )
  const names = useMemo(() => scopes.map((scope) => scope.scope), [scopes])
  const results = useSeries(names, metrics, range, onScreen)
  const events = useEvents({ types: MARKED_TYPES, node: node ?? null, region: region ?? null }, 200)

  const data = results.map((result) => result.data)
  const newestTo = Math.max(0, ...data.map((entry) => entry?.to ?? 0))
  const span = isLive(range)
    ? { from: newestTo - RANGE_MS.live, to: newestTo }
    : spanOf(range, newestTo || serverNow())
  const markers = useMemo(
    () => markersOf(events.data?.items ?? [], (span.to - span.from) / 20),
    [events.data, span.from, span.to],
  )
  const maintenance = useMaintenanceSince(span.from, onScreen)
  const { data: overview } = useOverview()
  const homes = useHomes(overview?.nodes)
  const bands = useMemo(
    () => bandsOf(maintenance.data?.items ?? [], names, (id) => homes.get(id) ?? null),
    [maintenance.data, names, homes],
  )
  const { known } = useKnown()
  const failed = known ? results.find((result) => result.error) : undefined

  return (
    <div ref={ref} className="grid min-w-0 gap-3">
      {failed?.error && (
        <p role="alert" className="rounded-[4px] bg-down-wash px-3 py-2 text-down">
          {errorText(failed.error)} The charts show what was there before.
        </p>
      )}
      <ChartGrid>
        {specs.map((spec) => (
          <SpecChart
            key={spec.id}
            spec={spec}
            scopes={scopes}
            data={data}
            from={span.from}
            to={span.to}
            markers={markers}
            bands={bands}
            loading={newestTo === 0}
            current={isLive(range) ? current : undefined}
            {...(instant === undefined ? {} : { instant })}
            {...(onZoom ? { onZoom } : {})}
          />
        ))}
      </ChartGrid>
      <p className="text-faint text-xs">
        Marks:{' '}
        {Object.values(MARKED_EVENTS)
          .filter((mark) => mark.word !== 'drain resumed')
          .map((mark) => `${mark.letter} ${mark.word}`)
          .join(' · ')}
        {bands.some((band) => band.from < span.to && band.to > span.from) &&
          ' · M maintenance (lightly hatched)'}
        . Hatched: not measured. {onZoom && 'Drag over a chart to zoom.'}
      </p>
    </div>
  )
}

/** In which region each node is; the same map until that changes, since an overview comes with every poll. */
const useHomes = (nodes: readonly Node[] | undefined): ReadonlyMap<string, string> => {
  const key = (nodes ?? []).map(({ id, region }) => `${id} ${region}`).join(',')
  return useMemo(
    () => new Map(key === '' ? [] : key.split(',').map((pair) => pair.split(' ') as [string, string])),
    [key],
  )
}

function ChartGrid({ children }: { children: ReactNode }) {
  return <div className="grid min-w-0 gap-x-8 gap-y-6 md:grid-cols-2 xl:grid-cols-3">{children}</div>
}

/** As large as a chart that is drawn, so that nothing jumps when it is. */
function ChartPlace() {
  return <div className="late h-[176px] rounded-[4px] bg-sunken" aria-hidden="true" />
}

function SpecChart({
  spec,
  scopes,
  data,
  loading,
  markers,
  current,
  ...rest
}: {
  spec: ChartSpec
  scopes: readonly ChartScope[]
  data: readonly (SeriesData | undefined)[]
  loading: boolean
  current: Partial<Record<MetricName, number | null>> | undefined
  from: number
  to: number
  markers: ReturnType<typeof markersOf>
  bands: readonly ChartBand[]
  instant?: number | null
  onZoom?: (from: number, to: number) => void
}) {
  const single = scopes.length === 1
  const lines: ChartLine[] = useMemo(
    () =>
      single
        ? spec.metrics.map((entry) => ({
            key: entry.metric,
            label: entry.label,
            color: entry.color,
            ...(entry.dash ? { dash: entry.dash } : {}),
          }))
        : scopes.map((scope, index) => ({
            key: scope.scope,
            label: scope.label,
            color: LINE_COLORS[index % LINE_COLORS.length] ?? LINE_COLORS[0],
            dash: LINE_DASHES[index % LINE_DASHES.length] ?? '',
          })),
    [single, spec, scopes],
  )
  // biome-ignore lint/correctness/useExhaustiveDependencies: the list is new each time, its members are what count
  const rows = useMemo(() => {
    const first = spec.metrics[0]?.metric
    if (!first) return []
    return chartRows(
      single
        ? spec.metrics.map((entry) => ({ key: entry.metric, metric: entry.metric, data: data[0] }))
        : scopes.map((scope, index) => ({ key: scope.scope, metric: first, data: data[index] })),
      spec.measure,
    )
  }, [single, spec, scopes, ...data])
  // biome-ignore lint/correctness/useExhaustiveDependencies: as above
  const gaps = useMemo(() => distinctGaps(data.flatMap((entry) => entry?.gaps ?? [])), [...data])
  // A renewed session says nothing about connections or tunnels: its marks are on the charts of pushes alone.
  const aboutPush = spec.metrics.some(({ metric }) => /push|session|tokens/.test(metric))
  const relevant = useMemo(
    () => markers.filter((marker) => aboutPush || marker.letter !== 'S'),
    [markers, aboutPush],
  )
  const only = single && scopes[0]?.scope.startsWith('node:') ? scopes[0].scope.slice('node:'.length) : null
  const step = Math.max(0, ...data.map((entry) => entry?.step ?? 0))
  const metric = single ? spec.metrics[0]?.metric : undefined
  if (loading) return <ChartPlace />
  return (
    <TimeChart
      id={spec.id}
      title={spec.title}
      unit={spec.unit}
      kind={spec.kind}
      rows={rows}
      lines={lines}
      gaps={gaps}
      only={only}
      {...(step > 0 ? { step } : {})}
      current={metric && current?.[metric]}
      markers={relevant}
      syncId="span"
      {...rest}
    />
  )
}
