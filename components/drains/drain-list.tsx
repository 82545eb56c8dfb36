'use client'

import Link from 'next/link'
import { useDrains } from '../data/drains.ts'
import { Panel } from '../panels/panel.tsx'
import { DataTable } from '../ui/data-table.tsx'
import { formatDuration, formatNumber } from '../ui/format.ts'
import { Time } from '../ui/time.tsx'
import { DrainMark, subjectOf } from './drain-look.tsx'

export function DrainList() {
  const drains = useDrains()
  const items = drains.data?.items ?? []
  return (
    <Panel
      title="All drains"
      query={drains}
      empty={
        drains.data &&
        items.length === 0 &&
        'No drain so far. Start one from a region, or with npx tidegate drain REGION --reason …'
      }
    >
      <DataTable
        label="Drains"
        head={['State', 'Of', 'Reason', 'Started', 'By', 'Took', 'Moved', 'Stayed', 'Gap p99', 'Missing']}
        numeric={[5, 6, 7, 8, 9]}
      >
        {items.map((drain) => (
          <tr key={drain.id}>
            <td>
              <DrainMark state={drain.state} />
            </td>
            <td>
              <Link href={`/drains/${drain.id}`} className="num font-medium hover:underline">
                {subjectOf(drain)}
              </Link>
            </td>
            <td className="max-w-80 truncate">{drain.reason}</td>
            <td>
              <Time at={drain.createdAt} as="full" />
            </td>
            <td>{drain.createdBy}</td>
            <td className="num">{formatDuration(drain.report?.durationMs)}</td>
            <td className="num">{formatNumber(drain.report?.gaps.moved ?? drain.report?.gaps.count)}</td>
            <td className="num">{formatNumber(drain.report?.gaps.stayed)}</td>
            <td className="num">{formatDuration(drain.report?.gaps.p99Ms)}</td>
            <td className={`num ${drain.report && drain.report.gaps.missing > 0 ? 'text-down' : ''}`}>
              {formatNumber(drain.report?.gaps.missing)}
            </td>
          </tr>
        ))}
      </DataTable>
    </Panel>
  )
}
