'use client'

import { useHeartbeats } from '../data/heartbeats.ts'
import { nodesByRegion } from '../data/nodes-by-region.ts'
import { useOverview } from '../data/overview.ts'
import { Panel } from '../panels/panel.tsx'
import { RegionCard } from './region-card.tsx'

export function RegionCards() {
  const overview = useOverview()
  const { data: strips } = useHeartbeats()
  const regions = overview.data?.regions ?? []
  const nodesOf = nodesByRegion(overview.data?.nodes ?? [])
  return (
    <Panel
      title="Regions"
      query={overview}
      rows={4}
      empty={
        overview.data && regions.length === 0 && 'No regions yet. Name them in tidegate.yaml under regions.'
      }
    >
      <ul className="grid gap-x-8 gap-y-5 sm:grid-cols-2 xl:grid-cols-3">
        {regions.map((region) => (
          <RegionCard
            key={region.id}
            region={region}
            strip={strips?.get(`region:${region.id}`)}
            nodes={nodesOf.get(region.id) ?? []}
          />
        ))}
      </ul>
    </Panel>
  )
}
