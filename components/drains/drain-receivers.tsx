'use client'

import type { Measures } from '@/server/contract/answers/node.ts'
import type { Drain } from '@/server/contract/drains.ts'
import type { Region } from '@/server/contract/fleet.ts'
import { isMeasured, measuredIn } from '../charts/charts-with.ts'
import { useOverview } from '../data/overview.ts'
import { Panel } from '../panels/panel.tsx'
import { formatNumber } from '../ui/format.ts'
import { PlainTable } from '../ui/plain-table.tsx'
import { StateMark } from '../ui/state-mark.tsx'

/** A number that the fleet does not have gets no column; the capacity is a number of tunnels. */
const COUNTED: readonly { name: string; measure: Measures[number]; words: (region: Region) => string }[] = [
  { name: 'Tunnels', measure: 'tunnels', words: ({ tunnels }) => formatNumber(tunnels) },
  {
    name: 'Capacity',
    measure: 'tunnels',
    words: ({ capacity }) => (capacity?.tunnels === undefined ? 'not set' : formatNumber(capacity.tunnels)),
  },
  { name: 'Connections', measure: 'connections', words: ({ connections }) => formatNumber(connections) },
]

/** How the nodes that take the load over are doing. */
export function DrainReceivers({ drain }: { drain: Drain }) {
  const overview = useOverview()
  const measures = measuredIn(overview.data)
  const counted = COUNTED.filter(({ measure }) => isMeasured(measures, measure))
  const regions = overview.data?.regions.filter((region) => region.id !== drain.region) ?? []
  return (
    <Panel
      title="Receiving regions"
      query={overview}
      empty={overview.data && regions.length === 0 && 'There is no other region.'}
    >
      <PlainTable
        label="Receiving regions"
        head={['Region', 'State', ...counted.map(({ name }) => name)]}
        numeric={counted.map((_, index) => index + 2)}
      >
        {regions.map((region) => (
          <tr key={region.id}>
            <td className="font-medium">
              {region.name} <span className="num text-faint">{region.id}</span>
            </td>
            <td>
              <StateMark state={region.state} />
            </td>
            {counted.map(({ name, words }) => (
              <td key={name} className="num">
                {words(region)}
              </td>
            ))}
          </tr>
        ))}
      </PlainTable>
    </Panel>
  )
}
