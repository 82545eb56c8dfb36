'use client'

import type { Drain } from '@/server/contract/drains.ts'
import { isMeasured, measuredIn } from '../charts/charts-with.ts'
import { useOverview } from '../data/overview.ts'
import { Panel } from '../panels/panel.tsx'
import { formatDuration, formatNumber, plural } from '../ui/format.ts'
import { PlainTable } from '../ui/plain-table.tsx'
import { StateGlyph } from '../ui/state-glyph.tsx'
import { Time } from '../ui/time.tsx'
import { moveState } from './drain-left.ts'

const MAX_ROWS = 500
const WORDS = { here: 'still here', between: 'on its way', missing: 'missing' } as const

/** Every tunnel that was here at the start, by name; those not yet elsewhere first. */
export function DrainMoves({ drain }: { drain: Drain }) {
  const { data: fleet } = useOverview()
  const region = drain.region ?? fleet?.nodes.find(({ id }) => id === drain.node)?.region
  const holdsNone = fleet !== undefined && !isMeasured(measuredIn(fleet, region), 'tunnels')
  const left = drain.moves.filter((move) => moveState(drain, move) !== 'moved')
  const rows = [...left, ...drain.moves.filter((move) => !left.includes(move))].slice(0, MAX_ROWS)
  // Programs that hold no tunnels have no list of them, not an empty one.
  if (holdsNone && drain.moves.length === 0) return null
  return (
    <Panel
      title="Tunnels by name"
      aside={
        <span className="text-faint">
          <span className="num">{formatNumber(drain.moves.length - left.length)}</span> of{' '}
          {plural(drain.moves.length, 'tunnel')} moved
        </span>
      }
      empty={drain.moves.length === 0 && 'No tunnel was registered here at the start.'}
    >
      <PlainTable label="Tunnels of the drain" head={['Host', 'From', 'To', 'Gap', 'At']} numeric={[3]}>
        {rows.map((move) => {
          const state = moveState(drain, move)
          return (
            <tr key={move.hostId} data-host={move.hostId} data-moved={state === 'moved'}>
              <td className="num text-left! font-medium">{move.hostId}</td>
              <td className="num text-left!">{move.from}</td>
              <td className="num text-left!">
                {state === 'moved' ? (
                  <>→ {move.to}</>
                ) : (
                  <span
                    className={`inline-flex items-center gap-1.5 font-sans ${state === 'missing' ? 'text-down' : 'text-faint'}`}
                  >
                    <StateGlyph shape={state === 'missing' ? 'down' : 'waiting'} />
                    {WORDS[state]}
                  </span>
                )}
              </td>
              <td className={`num ${(move.gapMs ?? 0) > 5000 ? 'text-degraded' : ''}`}>
                {formatDuration(move.gapMs)}
              </td>
              <td>
                <Time at={move.at} />
              </td>
            </tr>
          )
        })}
      </PlainTable>
      {drain.moves.length > MAX_ROWS && <p className="pt-2 text-faint">The first {MAX_ROWS} are shown.</p>}
    </Panel>
  )
}
