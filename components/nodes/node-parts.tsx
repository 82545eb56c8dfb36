'use client'

import { useId } from 'react'
import type { Node, NodeNumbers } from '@/server/contract/fleet.ts'
import type { Health } from '@/server/contract/health.ts'
import { useNode } from '../data/nodes.ts'
import { Facts } from '../ui/facts.tsx'
import { formatBytes, formatDuration, formatNumber } from '../ui/format.ts'
import { NodePanel } from './node-panel.tsx'
import { tidegateHealth } from './tidegate-health.ts'

/** The node's own numbers; what it does not report is not shown. */
export function NodeParts({ node: id }: { node: string }) {
  const heading = useId()
  const node = useNode(id)
  const health = tidegateHealth(node.data)
  const answered = node.data?.lastAnswerAt != null
  const { now, counted } = health ? partsOf(health) : node.data ? numbersOf(node.data) : NOTHING
  const nothing = answered
    ? now.length + counted.length === 0 &&
      'It reports no numbers: only whether it answers, and how fast, is watched.'
    : 'This node has not answered a poll yet, so nothing is known of it.'
  return (
    <NodePanel node={id} title="Now" nowTitle="Now" empty={node.data && nothing}>
      <div className="grid gap-4">
        {now.length > 0 && <Facts items={now} />}
        {counted.length > 0 && (
          <section aria-labelledby={heading} className="grid gap-2">
            <h3 id={heading} className="text-soft">
              Since its start
            </h3>
            <Facts items={counted} />
          </section>
        )}
      </div>
      {health?.relay?.cordoned && (
        <p className="mt-3 text-draining">New tunnels are refused here while a drain of the region runs.</p>
      )}
    </NodePanel>
  )
}

type Fact = readonly [string, string]

/** Current values, and totals since the program started: a total beside a current value would be read as one. */
interface Numbers {
  now: readonly Fact[]
  counted: readonly Fact[]
}

const NOTHING: Numbers = { now: [], counted: [] }

/** Part by part, as a Tidegate node's own document says. */
const partsOf = ({ state, uptimeSeconds, proxy, relay, process }: Health): Numbers => ({
  now: [
    ['Its own state', state],
    ['Running for', formatDuration(uptimeSeconds * 1000)],
    ...(proxy ? ([['Connections', formatNumber(proxy.connections.active)]] as const) : []),
    ...(relay
      ? ([
          ['Tunnels', formatNumber(relay.tunnels.current)],
          [
            'Directory',
            `${relay.directory.backend}, ${relay.directory.reachable ? 'reachable' : 'unreachable'}`,
          ],
        ] as const)
      : []),
    ['Memory', formatBytes(process.rssBytes)],
    ['Event-loop delay p99', formatDuration(process.eventLoopDelayP99Ms)],
    ['Open files', formatNumber(process.openFds)],
  ],
  counted: [
    ...(proxy
      ? ([
          ['Connections accepted', formatNumber(proxy.connections.accepted)],
          ['Connections closed', formatNumber(proxy.connections.closed)],
          ['Bytes to targets', formatBytes(proxy.bytes.upstream)],
          ['Bytes to clients', formatBytes(proxy.bytes.downstream)],
          ['Requests', formatNumber(proxy.requests.total)],
        ] as const)
      : []),
    ...(relay
      ? ([
          ['Tunnels lost', formatNumber(relay.tunnels.lost)],
          ['Directory mismatches', formatNumber(relay.directory.mismatches)],
        ] as const)
      : []),
  ],
})

/** What nodes of any kind may report, in the order of the list. */
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

/** Current values; all other numbers are totals. */
const LEVELS: ReadonlySet<string> = new Set<keyof NodeNumbers>([
  'connections',
  'tunnels',
  'rssBytes',
  'eventLoopDelayMs',
  'openFds',
])

const numbersOf = ({ numbers, version }: Node): Numbers => {
  const said = Object.entries(NUMBERS).flatMap(([name, [label, words]]) => {
    const value = numbers[name as keyof NodeNumbers]
    return value === undefined ? [] : [{ fact: [label, words(value)] as const, isLevel: LEVELS.has(name) }]
  })
  return {
    now: [
      ...(version === null ? [] : [['Version', version] as const]),
      ...said.filter(({ isLevel }) => isLevel).map(({ fact }) => fact),
    ],
    counted: said.filter(({ isLevel }) => !isLevel).map(({ fact }) => fact),
  }
}
