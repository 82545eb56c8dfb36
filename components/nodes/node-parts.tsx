'use client'

import { useNode } from '../data/nodes.ts'
import { Facts } from '../ui/facts.tsx'
import { formatBytes, formatDuration, formatNumber } from '../ui/format.ts'
import { NodePanel } from './node-panel.tsx'
import { tidegateHealth } from './tidegate-health.ts'

/** The node's own numbers, part by part; a part that it does not have is not shown. */
export function NodeParts({ node: id }: { node: string }) {
  const node = useNode(id)
  const health = tidegateHealth(node.data)
  const proxy = health?.proxy
  const relay = health?.relay
  return (
    <NodePanel
      node={id}
      title="Now"
      nowTitle="Now"
      reserve={86}
      empty={node.data && !health && 'This node has not answered a poll yet, so nothing is known of it.'}
    >
      <Facts
        items={[
          ['Its own state', health?.state ?? '–'],
          ['Running for', formatDuration(health ? health.uptimeSeconds * 1000 : null)],
          ...(proxy
            ? ([
                ['Connections', formatNumber(proxy.connections.active)],
                ['Accepted', formatNumber(proxy.connections.accepted)],
                ['Closed', formatNumber(proxy.connections.closed)],
                ['Bytes to targets', formatBytes(proxy.bytes.upstream)],
                ['Bytes to clients', formatBytes(proxy.bytes.downstream)],
                ['Requests', formatNumber(proxy.requests.total)],
              ] as const)
            : []),
          ...(relay
            ? ([
                ['Tunnels', formatNumber(relay.tunnels.current)],
                ['Tunnels lost', formatNumber(relay.tunnels.lost)],
                [
                  'Directory',
                  `${relay.directory.backend}, ${relay.directory.reachable ? 'reachable' : 'unreachable'}`,
                ],
                ['Directory mismatches', formatNumber(relay.directory.mismatches)],
              ] as const)
            : []),
          ['Memory', formatBytes(health?.process.rssBytes)],
          ['Event-loop delay p99', formatDuration(health?.process.eventLoopDelayP99Ms)],
          ['Open files', formatNumber(health?.process.openFds)],
        ]}
      />
      {relay?.cordoned && (
        <p className="mt-3 text-draining">New tunnels are refused here while a drain of the region runs.</p>
      )}
    </NodePanel>
  )
}
