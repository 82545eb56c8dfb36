'use client'

import Link from 'next/link'
import { useMemo } from 'react'
import type { Node } from '@/server/contract/fleet.ts'
import { INTENT_WORDS } from '@/server/contract/state-words.ts'
import type { Strip } from '../data/heartbeats.ts'
import { HeartbeatStrip } from '../fleet/heartbeat-strip.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { formatDuration, formatNumber } from '../ui/format.ts'
import { StateMark } from '../ui/state-mark.tsx'
import { Time } from '../ui/time.tsx'

const NODE: Column<Node> = {
  name: 'Node',
  by: (node) => node.id,
  cell: (node) => (
    <Link href={`/nodes/${node.id}`} className="num font-medium hover:underline">
      {node.id}
    </Link>
  ),
}
const REST: readonly Column<Node>[] = [
  {
    name: 'State',
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
    by: (node) => node.since,
    cell: (node) => <Time at={node.since} as="for" />,
  },
  {
    name: 'Tunnels',
    numeric: true,
    by: (node) => node.numbers.tunnels,
    cell: (node) => formatNumber(node.numbers.tunnels),
  },
  {
    name: 'Connections',
    numeric: true,
    by: (node) => node.numbers.connections,
    cell: (node) => formatNumber(node.numbers.connections),
  },
  {
    name: 'Pushes delivered',
    numeric: true,
    by: (node) => node.numbers.pushDelivered,
    cell: (node) => formatNumber(node.numbers.pushDelivered),
  },
  {
    name: 'Poll',
    numeric: true,
    by: (node) => node.latencyMs,
    title: (node) => node.lastOutcome ?? undefined,
    cell: (node) =>
      node.latencyMs === null || node.lastOutcome !== 'ok'
        ? (node.lastOutcome ?? '–')
        : formatDuration(node.latencyMs),
  },
]
const PROBLEMS: Column<Node> = {
  name: 'Problems',
  by: (node) => node.problems.join('; ') || null,
  className: (node) => (node.problems.length > 0 ? 'text-degraded' : 'text-faint'),
  cell: (node) => node.problems.join('; ') || 'none',
}

/** Nodes side by side. */
export function NodeTable({
  nodes,
  strips,
}: {
  nodes: readonly Node[]
  strips: ReadonlyMap<string, Strip> | undefined
}) {
  const columns = useMemo(
    (): readonly Column<Node>[] => [
      NODE,
      ...REST,
      {
        name: 'Heartbeat',
        className: 'min-w-36',
        cell: (node) => (
          <HeartbeatStrip strip={strips?.get(`node:${node.id}`)} label={`Heartbeat of ${node.id}`} />
        ),
      },
      PROBLEMS,
    ],
    [strips],
  )
  return (
    <DataTable
      label="Nodes"
      columns={columns}
      rows={nodes}
      rowKey={(node) => node.id}
      rowData={(node) => ({ 'data-node': node.id })}
    />
  )
}

/** Above this many only the rows on screen exist. */
const MANY_NODES = 100

/** On a narrow screen the first columns are what is seen: which node, and how it is. */
const isShownFirst = ({ name }: Column<Node>): boolean => name === 'State' || name === 'Since'

const FLEET_COLUMNS: readonly Column<Node>[] = [
  NODE,
  ...REST.filter(isShownFirst),
  {
    name: 'Region',
    by: (node) => node.region,
    cell: (node) => (
      <Link href={`/regions/${node.region}`} className="num hover:underline">
        {node.region}
      </Link>
    ),
  },
  { name: 'Kind', by: (node) => node.kind, cell: (node) => node.kind },
  { name: 'Version', by: (node) => node.version, cell: (node) => node.version ?? '–' },
  ...REST.filter((column) => !isShownFirst(column) && column.name !== 'Pushes delivered'),
  { ...PROBLEMS, title: (node) => node.problems.join('; ') || undefined },
]

/** Nodes of every region, each with where it is and what it is. */
export function FleetNodeTable({ nodes }: { nodes: readonly Node[] }) {
  return (
    <DataTable
      label="All nodes"
      columns={FLEET_COLUMNS}
      rows={nodes}
      rowKey={(node) => node.id}
      rowData={(node) => ({ 'data-node': node.id })}
      virtual={nodes.length > MANY_NODES}
    />
  )
}
