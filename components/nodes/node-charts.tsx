'use client'

import { useMemo } from 'react'
import { NODE_CHARTS } from '../charts/chart-specs.ts'
import { measuresOf } from '../charts/charts-with.ts'
import { useNode } from '../data/nodes.ts'
import { Panel } from '../panels/panel.tsx'
import { RangePicker } from '../panels/range-picker.tsx'
import { ScopeCharts } from '../panels/scope-charts.tsx'
import { useCharts } from '../panels/use-charts.ts'
import { useRange } from '../panels/use-range.ts'

export function NodeCharts({ node }: { node: string }) {
  const { range, zoom } = useRange()
  const scopes = useMemo(() => [{ scope: `node:${node}`, label: node }], [node])
  const { data } = useNode(node)
  const { connections, tunnels } = data?.numbers ?? {}
  const specs = useCharts(NODE_CHARTS, data && measuresOf(data.measures, [data]))
  const current = useMemo(() => ({ connections, tunnels }), [connections, tunnels])
  return (
    <Panel title="Charts" aside={<RangePicker />}>
      <ScopeCharts scopes={scopes} specs={specs} range={range} onZoom={zoom} node={node} current={current} />
    </Panel>
  )
}
