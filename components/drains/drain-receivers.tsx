'use client'

import type { Drain } from '@/server/contract/drains.ts'
import { useOverview } from '../data/overview.ts'
import { Panel } from '../panels/panel.tsx'
import { formatNumber } from '../ui/format.ts'
import { PlainTable } from '../ui/plain-table.tsx'
import { StateMark } from '../ui/state-mark.tsx'

/** How those who take the load over are. */
export function DrainReceivers({ drain }: { drain: Drain }) {
  const overview = useOverview()
  const regions = overview.data?.regions.filter((region) => region.id !== drain.region) ?? []
  return (
    <Panel
      title="Receiving regions"
      query={overview}
      empty={overview.data && regions.length === 0 && 'There is no other region.'}
    >
      <PlainTable
        label="Receiving regions"
        head={['Region', 'State', 'Tunnels', 'Capacity', 'Connections']}
        numeric={[2, 3, 4]}
      >
        {regions.map((region) => (
          <tr key={region.id}>
            <td className="font-medium">
              {region.name} <span className="num text-faint">{region.id}</span>
            </td>
            <td>
              <StateMark state={region.state} />
            </td>
            <td className="num">{formatNumber(region.tunnels)}</td>
            <td className="num">
              {region.capacity?.tunnels === undefined ? 'not set' : formatNumber(region.capacity.tunnels)}
            </td>
            <td className="num">{formatNumber(region.connections)}</td>
          </tr>
        ))}
      </PlainTable>
    </Panel>
  )
}
