'use client'

import { useMemo } from 'react'
import { REGION_CHARTS } from '../charts/chart-specs.ts'
import { measuresOf } from '../charts/charts-with.ts'
import { Panel } from '../panels/panel.tsx'
import { RangePicker } from '../panels/range-picker.tsx'
import { ScopeCharts } from '../panels/scope-charts.tsx'
import { useCharts } from '../panels/use-charts.ts'
import { useRange } from '../panels/use-range.ts'
import { useRegion } from './use-region.ts'

const MAX_LINES = 6

/** One line a node. */
export function RegionCharts({ region: id }: { region: string }) {
  const { range, zoom } = useRange()
  const { region, nodes } = useRegion(id)
  const specs = useCharts(REGION_CHARTS, region?.measures && measuresOf(region.measures, nodes))
  const ids = nodes
    .slice(0, MAX_LINES)
    .map((node) => node.id)
    .join(' ')
  const scopes = useMemo(
    () => (ids ? ids.split(' ').map((node) => ({ scope: `node:${node}`, label: node })) : []),
    [ids],
  )
  return (
    <Panel title="Charts" aside={<RangePicker />}>
      {scopes.length > 0 && (
        <ScopeCharts scopes={scopes} specs={specs} range={range} onZoom={zoom} region={id} />
      )}
      {nodes.length > MAX_LINES && (
        <p className="text-faint">The first {MAX_LINES} nodes are drawn; each node has a page of its own.</p>
      )}
    </Panel>
  )
}
