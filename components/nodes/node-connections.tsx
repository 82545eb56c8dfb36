'use client'

import { useKnown } from '../data/known.ts'
import { useConnections, useNode } from '../data/nodes.ts'
import { Panel } from '../panels/panel.tsx'
import { formatBytes, formatDuration } from '../ui/format.ts'
import { PlainTable } from '../ui/plain-table.tsx'
import { nodeNow } from './last-known.ts'

const SHOWN = 20

/** The oldest live connections, with the state of both halves. */
export function NodeConnections({ node }: { node: string }) {
  const { known } = useKnown()
  const { data } = useNode(node)
  const answers = data !== undefined && nodeNow(data, known).isNow
  // Other kinds of node give a number, which is shown above, and no list.
  const hasList = data === undefined || data.kind === 'tidegate'
  const connections = useConnections(node, answers && hasList)
  const items = connections.data?.items ?? []
  if (!hasList) return null
  if (data && !answers && !connections.data)
    return <Panel title="Connections" empty={`Not known: ${node} does not answer, and only it knows.`} />
  return (
    <Panel
      title={answers || !data ? 'Connections' : 'Connections, last known'}
      query={connections}
      aside={
        connections.data?.total !== undefined && (
          <span className="text-faint">{connections.data.total} open</span>
        )
      }
      empty={connections.data && items.length === 0 && 'No connection is open.'}
    >
      <PlainTable
        label="Connections"
        head={[
          'Route',
          'Client',
          'Target',
          'Kind',
          'Client half',
          'Target half',
          'Age',
          'Quiet for',
          'Up',
          'Down',
        ]}
        numeric={[6, 7, 8, 9]}
      >
        {items
          .toSorted((a, b) => b.ageMs - a.ageMs)
          .slice(0, SHOWN)
          .map((connection) => (
            <tr key={connection.id}>
              <td>{connection.route ?? '–'}</td>
              <td className="num text-left!">{connection.client}</td>
              <td className="num text-left!">{connection.target ?? '–'}</td>
              <td>{connection.protocol}</td>
              <td>{connection.clientHalf}</td>
              <td>{connection.targetHalf}</td>
              <td className="num">{formatDuration(connection.ageMs)}</td>
              <td className="num">{formatDuration(connection.lastActivityMs)}</td>
              <td className="num">{formatBytes(connection.bytesUpstream)}</td>
              <td className="num">{formatBytes(connection.bytesDownstream)}</td>
            </tr>
          ))}
      </PlainTable>
      {items.length > SHOWN && <p className="pt-2 text-faint">The {SHOWN} oldest are shown.</p>}
    </Panel>
  )
}
