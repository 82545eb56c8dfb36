'use client'

import Link from 'next/link'
import type { Node } from '@/server/contract/fleet.ts'
import type { Strip } from '../data/heartbeats.ts'
import { HeartbeatStrip } from '../fleet/heartbeat-strip.tsx'
import { DataTable } from '../ui/data-table.tsx'
import { formatDuration, formatNumber } from '../ui/format.ts'
import { StateMark } from '../ui/state-mark.tsx'
import { Time } from '../ui/time.tsx'

/** Nodes side by side. */
export function NodeTable({
  nodes,
  strips,
}: {
  nodes: Node[]
  strips: ReadonlyMap<string, Strip> | undefined
}) {
  return (
    <DataTable
      label="Nodes"
      head={[
        'Node',
        'State',
        'Since',
        'Tunnels',
        'Connections',
        'Pushes delivered',
        'Poll',
        'Heartbeat',
        'Problems',
      ]}
      numeric={[3, 4, 5, 6]}
    >
      {nodes.map((node) => (
        <tr key={node.id} data-node={node.id}>
          <td>
            <Link href={`/nodes/${node.id}`} className="num font-medium hover:underline">
              {node.id}
            </Link>
          </td>
          <td>
            <StateMark state={node.state} />
            {node.intent !== 'serving' && <span className="text-faint"> · wanted: {node.intent}</span>}
          </td>
          <td>
            <Time at={node.since} as="for" />
          </td>
          <td className="num">{formatNumber(node.numbers.tunnels)}</td>
          <td className="num">{formatNumber(node.numbers.connections)}</td>
          <td className="num">{formatNumber(node.numbers.pushDelivered)}</td>
          <td className="num" title={node.lastOutcome ?? undefined}>
            {node.latencyMs === null || node.lastOutcome !== 'ok'
              ? (node.lastOutcome ?? '–')
              : formatDuration(node.latencyMs)}
          </td>
          <td className="min-w-36">
            <HeartbeatStrip strip={strips?.get(`node:${node.id}`)} label={`Heartbeat of ${node.id}`} />
          </td>
          <td className={node.problems.length > 0 ? 'text-degraded' : 'text-faint'}>
            {node.problems.join('; ') || 'none'}
          </td>
        </tr>
      ))}
    </DataTable>
  )
}
