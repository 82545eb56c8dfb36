'use client'

import { measuresOf } from '../charts/charts-with.ts'
import { useHeartbeats } from '../data/heartbeats.ts'
import { NodeTable } from '../nodes/node-table.tsx'
import { Panel } from '../panels/panel.tsx'
import { useRegion } from './use-region.ts'

export function RegionNodes({ region: id }: { region: string }) {
  const { overview, region, nodes } = useRegion(id)
  const { data: strips } = useHeartbeats(id)
  return (
    <Panel
      title="Nodes"
      query={overview}
      empty={
        overview.data &&
        nodes.length === 0 &&
        'This region has no nodes. Add one in tidegate.yaml under nodes.'
      }
    >
      <NodeTable
        nodes={nodes}
        strips={strips}
        measures={region?.measures && measuresOf(region.measures, nodes)}
      />
    </Panel>
  )
}
