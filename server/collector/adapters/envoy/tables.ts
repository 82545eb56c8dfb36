import type { NodeTable } from '../../../contract/answers/node-table.ts'
import type { Clusters } from './clusters.ts'
import type { ListenerRow } from './statistics.ts'

const MAX_ROWS = 500
const MAX_CELL = 256

type Column = NodeTable['columns'][number]

const count = (key: string, label: string): Column => ({ key, label, cell: 'count' })
const name = (label: string): Column => ({ key: 'name', label, cell: 'name' })
const STATE: Column = { key: 'state', label: 'State', cell: 'state' }

/** Listeners, clusters and hosts of an Envoy. */
export const tablesOf = (listeners: readonly ListenerRow[], { clusters, hosts }: Clusters): NodeTable[] =>
  [
    table(
      'listeners',
      'Listeners',
      [name('Listener'), count('active', 'Connections'), count('total', 'Connections in all')],
      listeners,
      (row) => ({
        name: row.name,
        active: row.active,
        total: row.total,
      }),
    ),
    table(
      'clusters',
      'Clusters',
      [
        name('Cluster'),
        STATE,
        count('hosts', 'Hosts'),
        count('healthy', 'Healthy hosts'),
        count('connections', 'Connections'),
        count('requests', 'Requests'),
      ],
      clusters,
      (row) => ({
        name: row.name,
        state:
          row.hosts === 0
            ? { tone: 'unknown' as const, word: 'no hosts' }
            : row.healthy === 0
              ? { tone: 'down' as const, word: 'no healthy host' }
              : row.healthy < row.hosts
                ? { tone: 'degraded' as const, word: 'some hosts fail' }
                : { tone: 'up' as const, word: 'healthy' },
        hosts: row.hosts,
        healthy: row.healthy,
        connections: row.connections,
        requests: row.requests,
      }),
    ),
    table(
      'hosts',
      'Hosts',
      [
        name('Host'),
        { key: 'cluster', label: 'Cluster', cell: 'name' },
        STATE,
        { key: 'why', label: 'Why', cell: 'text' },
        count('weight', 'Weight'),
        count('connections', 'Connections'),
        count('requests', 'Requests'),
        count('total', 'Requests in all'),
        count('failed', 'Requests failed in all'),
      ],
      hosts,
      (row) => ({
        name: row.address,
        cluster: row.cluster,
        state:
          row.faults.length === 0
            ? { tone: 'up' as const, word: 'healthy' }
            : { tone: 'down' as const, word: 'unhealthy' },
        why: row.faults.join(', ').slice(0, MAX_CELL) || null,
        weight: row.weight,
        connections: row.connections,
        requests: row.requests,
        total: row.requestsTotal,
        failed: row.requestsFailed,
      }),
    ),
  ].filter(({ total }) => total > 0)

const table = <Row>(
  id: string,
  title: string,
  columns: Column[],
  rows: readonly Row[],
  cells: (row: Row) => NodeTable['rows'][number],
): NodeTable => ({ id, title, columns, rows: rows.slice(0, MAX_ROWS).map(cells), total: rows.length })
