'use client'

import type { ProxyHealth } from '@/server/contract/health.ts'
import { TARGET_WORDS } from '@/server/contract/reason-words.ts'
import { listWords } from '@/server/contract/words.ts'
import { useNode } from '../data/nodes.ts'
import { formatDuration, formatNumber, UNKNOWN } from '../ui/format.ts'
import { PlainTable } from '../ui/plain-table.tsx'
import { StateMark } from '../ui/state-mark.tsx'
import { NodePanel } from './node-panel.tsx'
import { tidegateHealth } from './tidegate-health.ts'

type ShownTarget = ProxyHealth['targets'][number]

/** Routes of which no target that is shown is up. */
const deadRoutes = (targets: readonly ShownTarget[]): string[] => {
  const served = new Set(targets.filter(({ healthy }) => healthy).map(({ route }) => route))
  return [...new Set(targets.map(({ route }) => route))].filter((route) => !served.has(route))
}

const whyDown = ({ reason }: ShownTarget): string | undefined =>
  reason == null ? undefined : (TARGET_WORDS[reason] ?? reason)

/** Connections within one machine take less than a millisecond. */
const latencyWords = (ms: number | null | undefined): string =>
  ms == null ? UNKNOWN : ms < 10 ? `${ms.toFixed(1)} ms` : formatDuration(ms)

/** Where the proxy listens and sends to. */
export function NodeTargets({ node: id }: { node: string }) {
  const node = useNode(id)
  const targets = tidegateHealth(node.data)?.proxy?.targets ?? []
  const total = tidegateHealth(node.data)?.proxy?.targetsTotal ?? targets.length
  const dead = deadRoutes(targets)
  const listeners = node.data?.listeners ?? []
  if (targets.length === 0 && listeners.length === 0) return null
  return (
    <NodePanel node={id} title="Routes and targets">
      {dead.length > 0 && (
        <p className="mb-3 text-down">
          No target of {listWords(dead)} is up: those that are down are tried all the same.
        </p>
      )}
      {targets.length > 0 && (
        <PlainTable
          label="Targets"
          head={['Route', 'Target', 'State', 'Latency', 'Connections', 'Connect failures', 'Unanswered']}
          numeric={[3, 4, 5, 6]}
        >
          {targets.map((target) => (
            <tr key={`${target.route} ${target.target}`}>
              <td>{target.route}</td>
              <td className="num text-left!">{target.target}</td>
              <td>
                <StateMark state={target.healthy ? 'up' : 'down'} words={whyDown(target)} />
              </td>
              <td className="num">{latencyWords(target.latencyMs)}</td>
              <td className="num">{formatNumber(target.active)}</td>
              <td className="num">{formatNumber(target.connectFailures)}</td>
              <td className="num">{formatNumber(target.unanswered)}</td>
            </tr>
          ))}
        </PlainTable>
      )}
      {total > targets.length && (
        <p className="mt-3 text-soft">
          {formatNumber(targets.length)} of {formatNumber(total)} targets are shown, those that are down
          first.
        </p>
      )}
      {listeners.length > 0 && (
        <p className="mt-3 text-soft">
          Listens on{' '}
          {listeners.map((listener, index) => (
            <span key={`${listener.part}${listener.port}`}>
              {index > 0 && ', '}
              <span className="num">
                {listener.host}:{listener.port}
              </span>{' '}
              ({listener.part})
            </span>
          ))}
          .
        </p>
      )}
    </NodePanel>
  )
}
