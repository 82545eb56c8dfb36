'use client'

import { isMeasured, measuresOf } from '../charts/charts-with.ts'
import { useTunnels } from '../data/tunnels.ts'
import { Panel } from '../panels/panel.tsx'
import { TunnelTable } from '../tunnels/tunnel-table.tsx'
import { plural } from '../ui/format.ts'
import { useRegion } from './use-region.ts'

/** The tunnels here, and where they came from. */
export function RegionTunnels({ region: id }: { region: string }) {
  const tunnels = useTunnels()
  const { region, nodes } = useRegion(id)
  const here = (tunnels.data ?? []).filter((tunnel) => tunnel.region === id)
  const own = new Set(nodes.map((node) => node.id))
  const came = here.filter((tunnel) => tunnel.previousNode !== null && !own.has(tunnel.previousNode)).length
  const holdsNone = region?.measures && !isMeasured(measuresOf(region.measures, nodes), 'tunnels')
  // A region of proxies that hold no tunnels has no list of them, not an empty one.
  if (holdsNone && here.length === 0) return null
  return (
    <Panel
      title="Tunnels"
      query={tunnels}
      aside={
        here.length > 0 && (
          <span className="text-faint">
            {came > 0 ? `${plural(came, 'tunnel')} came from other regions` : plural(here.length, 'tunnel')}
          </span>
        )
      }
      empty={tunnels.data && here.length === 0 && 'No host is registered here.'}
    >
      <TunnelTable tunnels={here} />
    </Panel>
  )
}
