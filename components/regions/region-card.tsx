import Link from 'next/link'
import type { Node, Region } from '@/server/contract/fleet.ts'
import { isMeasured, measuresOf } from '../charts/charts-with.ts'
import type { Strip } from '../data/heartbeats.ts'
import { HeartbeatStrip } from '../fleet/heartbeat-strip.tsx'
import { MaintenanceMark } from '../maintenance/maintenance-mark.tsx'
import { matchNodes } from '../nodes/match-nodes.ts'
import { formatNumber } from '../ui/format.ts'
import { StateMark } from '../ui/state-mark.tsx'

const MANY_NODES = 12

/** One region: its state, what it carries, and how its nodes are. */
export function RegionCard({
  region,
  nodes,
  strip,
}: {
  region: Region
  nodes: Node[]
  strip: Strip | undefined
}) {
  const full = region.capacity?.tunnels
  // Of many nodes, those that need attention; the region's own page has all.
  const shown = nodes.length > MANY_NODES ? matchNodes(nodes, '', null).slice(0, MANY_NODES) : nodes
  const more = nodes.filter((node) => !shown.includes(node))
  const measures = measuresOf(region.measures ?? [], nodes)
  return (
    <li className="grid min-w-0 gap-2" data-region={region.id}>
      <div className="flex items-baseline justify-between gap-3">
        <h3 className="min-w-0 truncate">
          <Link prefetch={false} href={`/regions/${region.id}`} className="font-semibold hover:underline">
            {region.name}
          </Link>{' '}
          <span className="num text-faint">{region.id}</span>
        </h3>
        <StateMark state={region.state} words={region.words} />
      </div>
      <dl className="flex flex-wrap gap-x-6">
        <Figure name="Up" value={`${formatNumber(region.up)} of ${formatNumber(region.nodes)}`} />
        {isMeasured(measures, 'tunnels') && (
          <Figure
            name="Tunnels"
            value={formatNumber(region.tunnels)}
            {...(full ? { note: `of ${formatNumber(full)}` } : {})}
          />
        )}
        {isMeasured(measures, 'connections') && (
          <Figure name="Connections" value={formatNumber(region.connections)} />
        )}
      </dl>
      <MaintenanceMark mark={region.maintenance} />
      <HeartbeatStrip strip={strip} label={`Heartbeat of ${region.name}`} />
      <ul className="flex flex-wrap gap-x-4 gap-y-1">
        {shown.map((node) => (
          <li key={node.id} className="flex min-h-6 items-center gap-2 text-xs">
            <Link prefetch={false} href={`/nodes/${node.id}`} className="num hover:underline">
              {node.id}
            </Link>
            <StateMark state={node.state} />
            {/* Where the whole region is in maintenance, its own line says so. */}
            <MaintenanceMark mark={region.maintenance ? undefined : node.maintenance} short />
          </li>
        ))}
        {more.length > 0 && (
          <li className="flex min-h-6 items-center text-xs">
            <Link
              prefetch={false}
              href={`/regions/${region.id}`}
              className="text-accent underline underline-offset-2"
            >
              {formatNumber(more.length)} more{more.every(({ state }) => state === 'up') && ', all up'}
            </Link>
          </li>
        )}
      </ul>
    </li>
  )
}

function Figure({ name, value, note }: { name: string; value: string; note?: string }) {
  return (
    <div className="flex items-baseline gap-1.5">
      <dt className="text-faint text-xs">{name}</dt>
      <dd className="num font-medium">
        {value}
        {note && <span className="text-faint"> {note}</span>}
      </dd>
    </div>
  )
}
