import type { Drain } from '@/server/contract/drains.ts'
import { Panel, type PanelQuery } from '../panels/panel.tsx'
import { formatDuration, formatNumber } from '../ui/format.ts'
import { PlainTable } from '../ui/plain-table.tsx'
import { StateGlyph } from '../ui/state-glyph.tsx'
import { Time } from '../ui/time.tsx'
import { stepLook } from './drain-left.ts'

const COUNTED = [
  ['tunnels', 'Tunnels left'],
  ['connections', 'Connections'],
  ['requests', 'Requests'],
  ['pushes', 'Pushes'],
] as const

/** Tunnels and pushes only where there are any: most programs have neither. What a node does not count is a dash. */
const countedIn = ({ steps, moves }: Drain) =>
  COUNTED.filter(
    ([name]) =>
      name === 'connections' ||
      (name === 'requests' && steps.some(({ remaining }) => remaining?.requests !== null)) ||
      (name === 'tunnels' && moves.length > 0) ||
      steps.some(({ remaining }) => (remaining?.[name] ?? 0) > 0),
  )

/** Node by node: the phase and what is left, as observed. */
export function DrainSteps({ drain, query }: { drain: Drain; query: PanelQuery }) {
  const counted = countedIn(drain)
  return (
    <Panel title="Nodes" query={query}>
      <PlainTable
        label="Nodes of the drain"
        head={['Node', 'Phase', ...counted.map(([, label]) => label), 'Took']}
        numeric={[...counted, 'Took'].map((_, index) => index + 2)}
      >
        {drain.steps.map((step) => {
          const phase = stepLook(drain, step)
          return (
            <tr key={step.node} data-step={step.node} data-phase={step.phase}>
              <td className="num text-left! font-medium">{step.node}</td>
              <td>
                <span className={`inline-flex items-center gap-1.5 font-medium ${phase.tone}`}>
                  <StateGlyph shape={phase.shape} />
                  {phase.word}
                </span>
              </td>
              {counted.map(([name]) => (
                <td key={name} className="num">
                  {formatNumber(step.remaining?.[name])}
                </td>
              ))}
              <td className="num">
                {step.endedAt && step.startedAt ? (
                  formatDuration(Date.parse(step.endedAt) - Date.parse(step.startedAt))
                ) : (
                  <Time at={step.startedAt} as="for" />
                )}
              </td>
            </tr>
          )
        })}
      </PlainTable>
    </Panel>
  )
}
