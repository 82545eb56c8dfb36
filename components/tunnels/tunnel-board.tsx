'use client'

import { parseAsString, parseAsStringLiteral, useQueryStates } from 'nuqs'
import { useTunnels } from '../data/tunnels.ts'
import { Panel } from '../panels/panel.tsx'
import { formatNumber } from '../ui/format.ts'
import { ListFilter } from '../ui/list-filter.tsx'
import { ShownOf } from '../ui/shown-of.tsx'
import { matchTunnels, TUNNEL_STATES } from './match-tunnels.ts'
import { TunnelTable } from './tunnel-table.tsx'

const STATES = TUNNEL_STATES.map((state) => [state, state] as const)

/** Every host: where it is, since when, and what its last loss was. */
export function TunnelBoard() {
  const tunnels = useTunnels()
  const [filter, setFilter] = useQueryStates({
    q: parseAsString.withDefault(''),
    state: parseAsStringLiteral(TUNNEL_STATES),
  })
  const all = tunnels.data ?? []
  const shown = matchTunnels(all, filter.q, filter.state)
  const lost = all.filter((tunnel) => tunnel.state === 'lost').length
  return (
    <>
      <ListFilter
        label="Filter tunnels"
        placeholder="Host, node, region or close code"
        text={filter.q}
        onText={(q) => void setFilter({ q })}
        state={filter.state}
        states={STATES}
        onState={(state) => void setFilter({ state })}
      />
      <Panel
        title="Hosts"
        query={tunnels}
        aside={
          <span className="text-faint">
            <ShownOf shown={shown.length} all={all.length} />
            {lost > 0 && <span className="text-down"> · {formatNumber(lost)} lost</span>}
          </span>
        }
        empty={
          tunnels.data &&
          shown.length === 0 &&
          (all.length === 0 ? (
            <>
              No host has registered yet. Start one with <code className="num">npx tidegate host</code>.
            </>
          ) : (
            'No host matches the filter.'
          ))
        }
      >
        <TunnelTable tunnels={shown} />
      </Panel>
    </>
  )
}
