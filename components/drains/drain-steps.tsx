import type { Drain } from '@/server/contract/drains.ts'
import { Panel, type PanelQuery } from '../panels/panel.tsx'
import { formatDuration, formatNumber } from '../ui/format.ts'
import { PlainTable } from '../ui/plain-table.tsx'
import { StateGlyph } from '../ui/state-glyph.tsx'
import { Time } from '../ui/time.tsx'
import { stepLook } from './drain-left.ts'

/** Node by node: the phase and what is left, as observed. */
export function DrainSteps({ drain, query }: { drain: Drain; query: PanelQuery }) {
  return (
    <Panel title="Nodes" query={query}>
      <PlainTable
        label="Nodes of the drain"
        head={['Node', 'Phase', 'Tunnels left', 'Connections', 'Requests', 'Pushes', 'Took']}
        numeric={[2, 3, 4, 5, 6]}
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
              <td className="num">{formatNumber(step.remaining?.tunnels)}</td>
              <td className="num">{formatNumber(step.remaining?.connections)}</td>
              <td className="num">{formatNumber(step.remaining?.requests)}</td>
              <td className="num">{formatNumber(step.remaining?.pushes)}</td>
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
