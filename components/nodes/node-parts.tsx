'use client'

import type { Node, NodeNumbers } from '@/server/contract/fleet.ts'
import type { Health } from '@/server/contract/health.ts'
import { useNode } from '../data/nodes.ts'
import { Facts } from '../ui/facts.tsx'
import { formatBytes, formatDuration, formatNumber } from '../ui/format.ts'
import { NodePanel } from './node-panel.tsx'
import { tidegateHealth } from './tidegate-health.ts'

/** The node's own numbers; what it does not say is not shown. */
export function NodeParts({ node: id }: { node: string }) {
  const node = useNode(id)
  const health = tidegateHealth(node.data)
  const answered = node.data?.lastAnswerAt != null
  const facts = health ? partsOf(health) : node.data ? numbersOf(node.data) : []
  const nothing = answered
    ? facts.length === 0 && 'It says no numbers: that it answers, and how fast, is what is watched.'
    : 'This node has not answered a poll yet, so nothing is known of it.'
  return (
    <NodePanel node={id} title="Now" nowTitle="Now" reserve={86} empty={node.data && nothing}>
      <Facts items={facts} />
      {health?.relay?.cordoned && (
        <p className="mt-3 text-draining">New tunnels are refused here while a drain of the region runs.</p>
      )}
    </NodePanel>
  )
}

type Fact = readonly [string, string]

/** Part by part, as a Tidegate node's own document says. */
const partsOf = ({ state, uptimeSeconds, proxy, relay, process }: Health): Fact[] => [
  ['Its own state', state],
  ['Running for', formatDuration(uptimeSeconds * 1000)],
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
  ['Memory', formatBytes(process.rssBytes)],
  ['Event-loop delay p99', formatDuration(process.eventLoopDelayP99Ms)],
  ['Open files', formatNumber(process.openFds)],
]

/** What nodes of any kind may say, in the order of the list. */
const NUMBERS: { [Name in keyof NodeNumbers]-?: readonly [string, (value: number) => string] } = {
  connections: ['Connections', formatNumber],
  requests: ['Requests', formatNumber],
  tunnels: ['Tunnels', formatNumber],
  pushReceived: ['Pushes received', formatNumber],
  pushDelivered: ['Pushes delivered', formatNumber],
  pushRejected: ['Pushes rejected', formatNumber],
  pushFailed: ['Pushes failed', formatNumber],
  sessionInvalidations: ['Sessions invalidated', formatNumber],
  tokensPruned: ['Tokens pruned', formatNumber],
  rssBytes: ['Memory', formatBytes],
  eventLoopDelayMs: ['Event-loop delay p99', formatDuration],
  openFds: ['Open files', formatNumber],
}

const numbersOf = ({ numbers, version }: Node): Fact[] => [
  ...(version === null ? [] : [['Version', version] as const]),
  ...Object.entries(NUMBERS).flatMap(([name, [label, words]]) => {
    const value = numbers[name as keyof NodeNumbers]
    return value === undefined ? [] : [[label, words(value)] as const]
  }),
]
