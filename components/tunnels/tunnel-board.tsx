'use client'

import { parseAsString, parseAsStringLiteral, useQueryStates } from 'nuqs'
import { useTunnels } from '../data/tunnels.ts'
import { Panel } from '../panels/panel.tsx'
import { controlClass } from '../ui/control-class.ts'
import { formatNumber } from '../ui/format.ts'
import { matchTunnels, TUNNEL_STATES } from './match-tunnels.ts'
import { TunnelTable } from './tunnel-table.tsx'

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
      <div className="grid grid-cols-[1fr_auto] gap-2 sm:flex">
        <input
          data-filter
          type="search"
          aria-label="Filter tunnels"
          placeholder="Host, node, region or close code  /"
          className={`${controlClass} sm:w-80`}
          value={filter.q}
          onChange={(event) => void setFilter({ q: event.target.value || null })}
        />
        <select
          aria-label="State"
          className={`${controlClass} w-36!`}
          value={filter.state ?? ''}
          onChange={(event) =>
            void setFilter({ state: TUNNEL_STATES.find((state) => state === event.target.value) ?? null })
          }
        >
          <option value="">All states</option>
          {TUNNEL_STATES.map((state) => (
            <option key={state}>{state}</option>
          ))}
        </select>
      </div>
      <Panel
        title="Hosts"
        query={tunnels}
        aside={
          <span className="text-faint">
            <span className="num">{formatNumber(shown.length)}</span> of{' '}
            <span className="num">{formatNumber(all.length)}</span>
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
