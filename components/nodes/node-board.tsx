'use client'

import { parseAsString, parseAsStringLiteral, useQueryStates } from 'nuqs'
import { OBSERVED_WORDS } from '@/server/contract/state-words.ts'
import { OBSERVED_STATES } from '@/server/contract/states.ts'
import { useOverview } from '../data/overview.ts'
import { Panel } from '../panels/panel.tsx'
import { ListFilter } from '../ui/list-filter.tsx'
import { ShownOf } from '../ui/shown-of.tsx'
import { matchNodes } from './match-nodes.ts'
import { FleetNodeTable } from './node-table.tsx'

const STATES = OBSERVED_STATES.map((state) => [state, OBSERVED_WORDS[state]] as const)

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
      <ListFilter
        label="Filter nodes"
        placeholder="Node, region, kind, version or problem"
        text={filter.q}
        onText={(q) => void setFilter({ q })}
        state={filter.state}
        states={STATES}
        onState={(state) => void setFilter({ state })}
      />
      <Panel
        title="All nodes"
        query={overview}
        reserve={160}
        aside={
          <span className="text-faint">
            <ShownOf shown={shown.length} all={all.length} />
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
