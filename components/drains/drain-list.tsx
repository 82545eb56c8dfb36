'use client'

import Link from 'next/link'
import type { Drain } from '@/server/contract/drains.ts'
import { useDrains } from '../data/drains.ts'
import { Panel } from '../panels/panel.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { formatDuration, formatNumber } from '../ui/format.ts'
import { Time } from '../ui/time.tsx'
import { DrainMark, subjectOf } from './drain-look.tsx'

/** Null where none was in scope: most programs hold none, and a 0 would say that somebody counted. */
const tunnelsOf = ({ report, moves }: Drain) =>
  report === undefined || moves.length === 0
    ? null
    : { ...report.gaps, moved: report.gaps.moved ?? report.gaps.count }

const COLUMNS: readonly Column<Drain>[] = [
  { name: 'State', by: (drain) => drain.state, cell: (drain) => <DrainMark state={drain.state} /> },
  {
    name: 'Of',
    by: subjectOf,
    cell: (drain) => (
      <Link href={`/drains/${drain.id}`} className="num font-medium hover:underline">
        {subjectOf(drain)}
      </Link>
    ),
  },
  {
    name: 'Reason',
    className: 'max-w-80 truncate',
    by: (drain) => drain.reason,
    cell: (drain) => drain.reason,
  },
  {
    name: 'Started',
    by: (drain) => drain.createdAt,
    cell: (drain) => <Time at={drain.createdAt} as="full" />,
  },
  { name: 'By', by: (drain) => drain.createdBy, cell: (drain) => drain.createdBy },
  {
    name: 'Took',
    numeric: true,
    by: (drain) => drain.report?.durationMs,
    cell: (drain) => formatDuration(drain.report?.durationMs),
  },
]
/** What became of the tunnels; for programs that hold none there is nothing to say. */
const OF_TUNNELS: readonly Column<Drain>[] = [
  {
    name: 'Moved',
    numeric: true,
    by: (drain) => tunnelsOf(drain)?.moved,
    cell: (drain) => formatNumber(tunnelsOf(drain)?.moved),
  },
  {
    name: 'Stayed',
    numeric: true,
    by: (drain) => tunnelsOf(drain)?.stayed,
    cell: (drain) => formatNumber(tunnelsOf(drain)?.stayed),
  },
  {
    name: 'Gap p99',
    numeric: true,
    by: (drain) => drain.report?.gaps.p99Ms,
    cell: (drain) => formatDuration(drain.report?.gaps.p99Ms),
  },
  {
    name: 'Missing',
    numeric: true,
    className: (drain) => (drain.report && drain.report.gaps.missing > 0 ? 'text-down' : ''),
    by: (drain) => tunnelsOf(drain)?.missing,
    cell: (drain) => formatNumber(tunnelsOf(drain)?.missing),
  },
]
const ALL_COLUMNS = [...COLUMNS, ...OF_TUNNELS]

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
        'No drains so far. Start one from a region, or with npx tidegate drain REGION --reason …'
      }
    >
      <DataTable
        label="Drains"
        columns={items.some(({ moves }) => moves.length > 0) ? ALL_COLUMNS : COLUMNS}
        rows={items}
        rowKey={(drain) => drain.id}
      />
    </Panel>
  )
}
