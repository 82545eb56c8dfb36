import type { Drain } from '@/server/contract/drains.ts'
import type { DrainStepPhase } from '@/server/contract/states.ts'
import { DataTable } from '../ui/data-table.tsx'
import { formatNumber } from '../ui/format.ts'
import { Panel, type PanelQuery } from '../ui/panel.tsx'
import { type Glyph, StateGlyph } from '../ui/state-glyph.tsx'
import { Time } from '../ui/time.tsx'

const PHASES: Record<DrainStepPhase, { word: string; shape: Glyph; tone: string }> = {
  waiting: { word: 'waiting', shape: 'waiting', tone: 'text-faint' },
  pre_drain: { word: 'leaving the balancer', shape: 'draining', tone: 'text-draining' },
  connections: { word: 'finishing connections', shape: 'draining', tone: 'text-draining' },
  tunnels: { word: 'moving tunnels', shape: 'draining', tone: 'text-draining' },
  proving: { word: 'proving it empty', shape: 'draining', tone: 'text-draining' },
  done: { word: 'empty', shape: 'done', tone: 'text-up' },
}

/** Node by node: the phase and what is left, as observed. */
export function DrainSteps({ drain, query }: { drain: Drain; query: PanelQuery }) {
  return (
    <Panel title="Nodes" query={query}>
      <DataTable
        label="Nodes of the drain"
        head={['Node', 'Phase', 'Tunnels left', 'Connections', 'Requests', 'Pushes', 'For']}
        numeric={[2, 3, 4, 5]}
      >
        {drain.steps.map((step) => {
          const phase = PHASES[step.phase]
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
              <td>{step.endedAt ? <Time at={step.endedAt} /> : <Time at={step.startedAt} as="for" />}</td>
            </tr>
          )
        })}
      </DataTable>
    </Panel>
  )
}
