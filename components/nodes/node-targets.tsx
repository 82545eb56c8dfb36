'use client'

import { useNode } from '../data/nodes.ts'
import { formatNumber } from '../ui/format.ts'
import { PlainTable } from '../ui/plain-table.tsx'
import { StateMark } from '../ui/state-mark.tsx'
import { NodePanel } from './node-panel.tsx'
import { tidegateHealth } from './tidegate-health.ts'

/** Where the proxy listens and sends to. */
export function NodeTargets({ node: id }: { node: string }) {
  const node = useNode(id)
  const targets = tidegateHealth(node.data)?.proxy?.targets ?? []
  const listeners = node.data?.listeners ?? []
  if (targets.length === 0 && listeners.length === 0) return null
  return (
    <NodePanel node={id} title="Routes and targets">
      {targets.length > 0 && (
        <PlainTable
          label="Targets"
          head={['Route', 'Target', 'Health', 'Active', 'Connect failures']}
          numeric={[3, 4]}
        >
          {targets.map((target) => (
            <tr key={`${target.route} ${target.target}`}>
              <td>{target.route}</td>
              <td className="num text-left!">{target.target}</td>
              <td>
                <StateMark state={target.healthy ? 'up' : 'down'} />
              </td>
              <td className="num">{formatNumber(target.active)}</td>
              <td className="num">{formatNumber(target.connectFailures)}</td>
            </tr>
          ))}
        </PlainTable>
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
