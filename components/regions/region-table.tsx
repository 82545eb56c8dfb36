'use client'

import Link from 'next/link'
import { useMemo } from 'react'
import type { Region } from '@/server/contract/fleet.ts'
import { INTENT_WORDS } from '@/server/contract/state-words.ts'
import { isMeasured, measuredIn } from '../charts/charts-with.ts'
import { useHeartbeats } from '../data/heartbeats.ts'
import { useOverview } from '../data/overview.ts'
import { HeartbeatStrip } from '../fleet/heartbeat-strip.tsx'
import { Panel } from '../panels/panel.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { formatNumber } from '../ui/format.ts'
import { StateMark } from '../ui/state-mark.tsx'

const COLUMNS: readonly Column<Region>[] = [
  {
    name: 'Region',
    stays: 'left',
    by: (region) => region.name,
    cell: (region) => (
      <>
        <Link prefetch={false} href={`/regions/${region.id}`} className="font-medium hover:underline">
          {region.name}
        </Link>{' '}
        <span className="num text-faint">{region.id}</span>
      </>
    ),
  },
  {
    name: 'State',
    by: (region) => region.state,
    cell: (region) => <StateMark state={region.state} words={region.words} />,
  },
  { name: 'Wanted', by: (region) => region.intent, cell: (region) => INTENT_WORDS[region.intent] },
  {
    name: 'Up',
    numeric: true,
    by: (region) => region.up,
    cell: (region) => `${region.up} of ${region.nodes}`,
  },
]
const TUNNELS: Column<Region> = {
  name: 'Tunnels',
  numeric: true,
  by: (region) => region.tunnels,
  cell: (region) => formatNumber(region.tunnels),
}
const CONNECTIONS: Column<Region> = {
  name: 'Connections',
  numeric: true,
  by: (region) => region.connections,
  cell: (region) => formatNumber(region.connections),
}

export function RegionTable() {
  const overview = useOverview()
  const { data: strips } = useHeartbeats()
  const measures = measuredIn(overview.data)
  const [hasTunnels, hasConnections] = [isMeasured(measures, 'tunnels'), isMeasured(measures, 'connections')]
  const columns = useMemo(
    (): readonly Column<Region>[] => [
      ...COLUMNS,
      ...(hasTunnels ? [TUNNELS] : []),
      ...(hasConnections ? [CONNECTIONS] : []),
      {
        name: 'Heartbeat',
        className: 'min-w-40',
        cell: (region) => (
          <HeartbeatStrip strip={strips?.get(`region:${region.id}`)} label={`Heartbeat of ${region.name}`} />
        ),
      },
    ],
    [strips, hasTunnels, hasConnections],
  )
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
        columns={columns}
        rows={overview.data?.regions ?? []}
        rowKey={(region) => region.id}
      />
    </Panel>
  )
}
