import type { ReactNode } from 'react'
import type { DrainReport, GapStatistics } from '@/server/contract/drains.ts'
import { Panel } from '../panels/panel.tsx'
import { Facts } from '../ui/facts.tsx'
import { formatDuration, formatNumber } from '../ui/format.ts'
import { PlainTable } from '../ui/plain-table.tsx'
import { movedWords } from './drain-left.ts'

const tunnelFacts = (gaps: GapStatistics): [string, ReactNode][] => [
  ['Tunnels moved', formatNumber(gaps.moved ?? gaps.count)],
  ['Stayed', formatNumber(gaps.stayed ?? 0)],
  ['Gap p50', formatDuration(gaps.p50Ms)],
  [
    'Gap p99',
    <span key="p99" data-gap-p99={gaps.p99Ms ?? ''}>
      {formatDuration(gaps.p99Ms)}
    </span>,
  ],
  ['Longest gap', formatDuration(gaps.maxMs)],
  [
    'Missing',
    <span key="missing" data-missing={gaps.missing}>
      {formatNumber(gaps.missing)}
    </span>,
  ],
]

/** What the drain cost, in numbers. The headline is what moved, what stayed and what did not come back. */
export function DrainReportView({ report }: { report: DrainReport }) {
  const { gaps, moves } = report
  // Where no tunnel was in scope there is nothing to say about tunnels: most programs hold none.
  const hasTunnels = moves.length + gaps.missing > 0
  return (
    <Panel title="Report">
      <div className="grid gap-4" data-report>
        {hasTunnels && (
          <p className={`font-semibold text-base ${gaps.missing > 0 ? 'text-down' : ''}`}>
            {movedWords(gaps)}.{gaps.count > 0 && ` The longest gap was ${formatDuration(gaps.maxMs)}.`}
          </p>
        )}
        <Facts
          items={[
            ...(hasTunnels ? tunnelFacts(gaps) : []),
            ['Connections finished', formatNumber(report.connections.finished)],
            ['Connections cut', formatNumber(report.connections.aborted)],
            ['Requests failed', formatNumber(report.requestsFailed)],
            ['Took', formatDuration(report.durationMs)],
          ]}
        />
        {report.notes.map((note) => (
          <p key={note} className="text-soft">
            {note}
          </p>
        ))}
        <details>
          <summary className="w-fit text-accent">Phases, actual against budget</summary>
          <PlainTable label="Phases" head={['Node', 'Phase', 'Took', 'Budget']} numeric={[2, 3]}>
            {report.phases.map((phase) => (
              <tr key={`${phase.node} ${phase.phase}`}>
                <td className="num text-left!">{phase.node}</td>
                <td>{phase.phase.replace('_', '-')}</td>
                <td
                  className={`num ${phase.budgetMs !== null && phase.actualMs > phase.budgetMs ? 'text-degraded' : ''}`}
                >
                  {formatDuration(phase.actualMs)}
                </td>
                <td className="num">
                  {phase.budgetMs === null ? 'no limit' : formatDuration(phase.budgetMs)}
                </td>
              </tr>
            ))}
          </PlainTable>
        </details>
      </div>
    </Panel>
  )
}
