'use client'

import { useMemo } from 'react'
import { NODE_CHARTS } from '../charts/chart-specs.ts'
import { RangePicker } from '../charts/range-picker.tsx'
import { ScopeCharts } from '../charts/scope-charts.tsx'
import { useRange } from '../charts/use-range.ts'
import { useNode } from '../queries/nodes.ts'
import { Panel } from '../ui/panel.tsx'

export function NodeCharts({ node }: { node: string }) {
  const { range, zoom } = useRange()
  const scopes = useMemo(() => [{ scope: `node:${node}`, label: node }], [node])
  const { connections, tunnels } = useNode(node).data?.numbers ?? {}
  const current = useMemo(() => ({ connections, tunnels }), [connections, tunnels])
  return (
    <Panel title="Charts" aside={<RangePicker />}>
      <ScopeCharts
        scopes={scopes}
        specs={NODE_CHARTS}
        range={range}
        onZoom={zoom}
        node={node}
        current={current}
      />
    </Panel>
  )
}
