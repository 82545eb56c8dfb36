'use client'

import { useNode } from '../data/nodes.ts'
import { NodePanel } from '../nodes/node-panel.tsx'
import { tidegateHealth } from '../nodes/tidegate-health.ts'
import { Facts } from '../ui/facts.tsx'
import { formatDuration, formatNumber, plural } from '../ui/format.ts'
import { Time } from '../ui/time.tsx'

const counts = (record: Record<string, number>): string =>
  Object.entries(record)
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${reason} ${formatNumber(count)}`)
    .join(', ') || 'none'

/** Received against delivered, side by side: a live session proves nothing. */
export function PushHealthPanel({ node: id }: { node: string }) {
  const node = useNode(id)
  const push = tidegateHealth(node.data)?.push
  if (!push) return null
  const pruned =
    push.pruneOnBadDeviceToken + push.pruneOnUnregistered + push.pruneOnTopicMismatch + push.pruneOther
  return (
    <NodePanel node={id} title="Push">
      <Facts
        items={[
          ['Received', formatNumber(push.received)],
          ['Delivered', formatNumber(push.sendOk)],
          ['Last received', <Time key="r" at={push.lastReceivedAt} as="ago" />],
          ['Last delivered', <Time key="d" at={push.lastOkAt} as="ago" />],
          [
            'Session',
            push.sessionAlive ? `open for ${formatDuration((push.sessionAgeSeconds ?? 0) * 1000)}` : 'none',
          ],
          ['Sessions opened', formatNumber(push.sessionConnects)],
          [
            'Sessions invalidated',
            `${formatNumber(push.sessionInvalidations)} (${counts(push.sessionInvalidationsByReason)})`,
          ],
          ['Rejected', counts(push.sendRejected)],
          ['Failed', formatNumber(push.sendFail)],
          ['Tokens', `${formatNumber(push.tokens)}, ${plural(pruned, 'pruned', 'pruned')}`],
          ['Breaker', push.breaker],
          ...(push.lastFailureReason ? ([['Last failure', push.lastFailureReason]] as const) : []),
        ]}
      />
    </NodePanel>
  )
}
