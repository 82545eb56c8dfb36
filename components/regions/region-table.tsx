'use client'

import Link from 'next/link'
import { useHeartbeats } from '../data/heartbeats.ts'
import { useOverview } from '../data/overview.ts'
import { HeartbeatStrip } from '../fleet/heartbeat-strip.tsx'
import { Panel } from '../panels/panel.tsx'
import { DataTable } from '../ui/data-table.tsx'
import { formatNumber } from '../ui/format.ts'
import { StateMark } from '../ui/state-mark.tsx'

export function RegionTable() {
  const overview = useOverview()
  const { data: strips } = useHeartbeats()
  return (
    <Panel
      title="All regions"
      query={overview}
      reserve={160}
      empty={
        overview.data?.regions.length === 0 && 'No regions yet. Name them in tidegate.yaml under regions.'
      }
    >
      <DataTable
        label="Regions"
        head={['Region', 'State', 'Wanted', 'Up', 'Tunnels', 'Connections', 'Heartbeat']}
        numeric={[3, 4, 5]}
      >
        {overview.data?.regions.map((region) => (
          <tr key={region.id}>
            <td>
              <Link href={`/regions/${region.id}`} className="font-medium hover:underline">
                {region.name}
              </Link>{' '}
              <span className="num text-faint">{region.id}</span>
            </td>
            <td>
              <StateMark state={region.state} words={region.words} />
            </td>
            <td>{region.intent}</td>
            <td className="num">
              {region.up} of {region.nodes}
            </td>
            <td className="num">{formatNumber(region.tunnels)}</td>
            <td className="num">{formatNumber(region.connections)}</td>
            <td className="min-w-40">
              <HeartbeatStrip
                strip={strips?.get(`region:${region.id}`)}
                label={`Heartbeat of ${region.name}`}
              />
            </td>
          </tr>
        ))}
      </DataTable>
    </Panel>
  )
}
