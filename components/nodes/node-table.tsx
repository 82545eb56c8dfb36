'use client'

import Link from 'next/link'
import { useMemo } from 'react'
import type { Measures } from '@/server/contract/answers/node.ts'
import type { Node } from '@/server/contract/fleet.ts'
import { INTENT_WORDS } from '@/server/contract/state-words.ts'
import { isMeasured, measuredIn } from '../charts/charts-with.ts'
import type { Strip } from '../data/heartbeats.ts'
import { useOverview } from '../data/overview.ts'
import { HeartbeatStrip } from '../fleet/heartbeat-strip.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { formatDuration, formatNumber } from '../ui/format.ts'
import { StateMark } from '../ui/state-mark.tsx'
import { Time } from '../ui/time.tsx'

/** A number has a column where at least one node has that number. */
type NodeColumn = Column<Node> & { measure?: Measures[number] }

const NODE: NodeColumn = {
  name: 'Node',
  stays: 'left',
  width: 'w-40 max-sm:w-32',
  by: (node) => node.id,
  cell: (node) => (
    <Link prefetch={false} href={`/nodes/${node.id}`} className="num font-medium hover:underline">
      {node.id}
    </Link>
  ),
}
const REST: readonly NodeColumn[] = [
  {
    name: 'State',
    width: 'w-48 max-sm:w-28',
    by: (node) => node.state,
    cell: (node) => (
      <>
        <StateMark state={node.state} />
        {node.intent === 'drain' && (
          <span className="text-faint"> · wanted: {INTENT_WORDS[node.intent]}</span>
        )}
        {node.maintenance && (
          <span className="text-faint" title={`${node.maintenance.title}: ${node.maintenance.reason}`}>
            {' '}
            · in maintenance
          </span>
        )}
      </>
    ),
  },
  {
    name: 'Since',
    width: 'w-24',
    by: (node) => node.since,
    cell: (node) => <Time at={node.since} as="for" />,
  },
  {
    name: 'Tunnels',
    measure: 'tunnels',
    width: 'w-24',
    numeric: true,
    by: (node) => node.numbers.tunnels,
    cell: (node) => formatNumber(node.numbers.tunnels),
  },
  {
    name: 'Connections',
    measure: 'connections',
    width: 'w-28',
    numeric: true,
    by: (node) => node.numbers.connections,
    cell: (node) => formatNumber(node.numbers.connections),
  },
  {
    name: 'Pushes delivered',
    measure: 'pushDelivered',
    width: 'w-36',
    numeric: true,
    by: (node) => node.numbers.pushDelivered,
    cell: (node) => formatNumber(node.numbers.pushDelivered),
  },
  {
    name: 'Poll',
    width: 'w-24',
    numeric: true,
    by: (node) => node.latencyMs,
    title: (node) => node.lastOutcome ?? undefined,
    cell: (node) =>
      node.latencyMs === null || node.lastOutcome !== 'ok'
        ? (node.lastOutcome ?? '–')
        : formatDuration(node.latencyMs),
  },
]
const PROBLEMS: NodeColumn = {
  name: 'Problems',
  by: (node) => node.problems.join('; ') || null,
  className: (node) => (node.problems.length > 0 ? 'text-degraded' : 'text-faint'),
  title: (node) => node.problems.join('; ') || undefined,
  cell: (node) => node.problems.join('; ') || 'none',
}

/** Above this many only the rows on screen exist. */
const MANY_NODES = 50

/** Columns that at least one node can fill; the same list until that changes. */
const useFilled = (
  columns: readonly NodeColumn[],
  isFilled: (column: NodeColumn) => boolean,
): readonly NodeColumn[] => {
  const names = columns.flatMap((column) => (isFilled(column) ? [column.name] : [])).join(',')
  return useMemo(() => columns.filter(({ name }) => names.split(',').includes(name)), [columns, names])
}

/** Nodes side by side. `measures`: the numbers that these nodes have; a column of another number would only hold dashes. */
export function NodeTable({
  nodes,
  strips,
  measures,
}: {
  nodes: readonly Node[]
  strips: ReadonlyMap<string, Strip> | undefined
  measures?: Readonly<Measures> | undefined
}) {
  const rest = useFilled(REST, ({ measure }) => measure === undefined || isMeasured(measures, measure))
  const columns = useMemo(
    (): readonly Column<Node>[] => [
      NODE,
      ...rest,
      {
        name: 'Heartbeat',
        className: 'min-w-36',
        width: 'w-44',
        cell: (node) => (
          <HeartbeatStrip strip={strips?.get(`node:${node.id}`)} label={`Heartbeat of ${node.id}`} />
        ),
      },
      PROBLEMS,
    ],
    [strips, rest],
  )
  return (
    <DataTable
      label="Nodes"
      columns={columns}
      rows={nodes}
      rowKey={(node) => node.id}
      rowData={(node) => ({ 'data-node': node.id })}
      virtual={nodes.length > MANY_NODES}
    />
  )
}

/** On a narrow screen the first columns are what is seen: which node, and how it is. */
const isShownFirst = ({ name }: Column<Node>): boolean => name === 'State' || name === 'Since'

const FLEET_COLUMNS: readonly NodeColumn[] = [
  NODE,
  ...REST.filter(isShownFirst),
  {
    name: 'Region',
    width: 'w-24',
    by: (node) => node.region,
    cell: (node) => (
      <Link prefetch={false} href={`/regions/${node.region}`} className="num hover:underline">
        {node.region}
      </Link>
    ),
  },
  { name: 'Kind', width: 'w-28', by: (node) => node.kind, cell: (node) => node.kind },
  { name: 'Version', width: 'w-28', by: (node) => node.version, cell: (node) => node.version ?? '–' },
  ...REST.filter((column) => !isShownFirst(column) && column.name !== 'Pushes delivered'),
  PROBLEMS,
]

/** Nodes of every region, each with where it is and what it is. */
export function FleetNodeTable({ nodes }: { nodes: readonly Node[] }) {
  const { data: fleet } = useOverview()
  // From the whole fleet, not from what a filter leaves: columns must not come and go while somebody types.
  const measures = measuredIn(fleet)
  const hasVersions = fleet === undefined || fleet.nodes.some(({ version }) => version !== null)
  const columns = useFilled(FLEET_COLUMNS, ({ name, measure }) =>
    measure === undefined ? name !== 'Version' || hasVersions : isMeasured(measures, measure),
  )
  return (
    <DataTable
      label="All nodes"
      columns={columns}
      rows={nodes}
      rowKey={(node) => node.id}
      rowData={(node) => ({ 'data-node': node.id })}
      virtual={nodes.length > MANY_NODES}
    />
  )
}
