'use client'

import { parseAsString, parseAsStringLiteral, useQueryStates } from 'nuqs'
import { OBSERVED_WORDS } from '@/server/contract/state-words.ts'
import { OBSERVED_STATES } from '@/server/contract/states.ts'
import { useOverview } from '../data/overview.ts'
import { Panel } from '../panels/panel.tsx'
import { controlClass } from '../ui/control-class.ts'
import { formatNumber } from '../ui/format.ts'
import { matchNodes } from './match-nodes.ts'
import { FleetNodeTable } from './node-table.tsx'

/** Every node of every region: how it is, since when, and what is wrong with it. */
export function NodeBoard() {
  const overview = useOverview()
  const [filter, setFilter] = useQueryStates({
    q: parseAsString.withDefault(''),
    state: parseAsStringLiteral(OBSERVED_STATES),
  })
  const all = overview.data?.nodes ?? []
  const shown = matchNodes(all, filter.q, filter.state)
  return (
    <>
      <div className="grid grid-cols-[1fr_auto] gap-2 sm:flex">
        <input
          data-filter
          type="search"
          aria-label="Filter nodes"
          placeholder="Node, region, kind, version or problem  /"
          className={`${controlClass} sm:w-80`}
          value={filter.q}
          onChange={(event) => void setFilter({ q: event.target.value || null })}
        />
        <select
          aria-label="State"
          className={`${controlClass} w-36!`}
          value={filter.state ?? ''}
          onChange={(event) =>
            void setFilter({ state: OBSERVED_STATES.find((state) => state === event.target.value) ?? null })
          }
        >
          <option value="">All states</option>
          {OBSERVED_STATES.map((state) => (
            <option key={state} value={state}>
              {OBSERVED_WORDS[state]}
            </option>
          ))}
        </select>
      </div>
      <Panel
        title="All nodes"
        query={overview}
        reserve={160}
        aside={
          <span className="text-faint">
            <span className="num">{formatNumber(shown.length)}</span> of{' '}
            <span className="num">{formatNumber(all.length)}</span>
          </span>
        }
        empty={
          overview.data &&
          shown.length === 0 &&
          (all.length === 0
            ? 'No nodes yet. Name them in tidegate.yaml under nodes.'
            : 'No node matches the filter.')
        }
      >
        <FleetNodeTable nodes={shown} />
      </Panel>
    </>
  )
}
