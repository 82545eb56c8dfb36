import type { MetricName } from '@/server/contract/series.ts'
import type { Measure } from './chart-rows.ts'

/** One chart: which metrics, measured how, drawn how. */
export interface ChartSpec {
  id: string
  title: string
  unit: string
  kind: 'line' | 'area' | 'bars'
  measure: Measure
  metrics: { metric: MetricName; label: string; color: string; dash?: string }[]
}

const one = (metric: MetricName, title: string, color = 'var(--line-1)') => [{ metric, label: title, color }]

export const CONNECTIONS: ChartSpec = {
  id: 'connections',
  title: 'Connections',
  unit: 'open now',
  kind: 'area',
  measure: 'value',
  metrics: one('connections', 'Connections'),
}
export const TUNNELS: ChartSpec = {
  id: 'tunnels',
  title: 'Tunnels',
  unit: 'registered now',
  kind: 'area',
  measure: 'value',
  metrics: one('tunnels', 'Tunnels', 'var(--line-3)'),
}
export const PUSHES: ChartSpec = {
  id: 'pushes',
  title: 'Pushes',
  unit: 'per second',
  kind: 'line',
  measure: 'per_second',
  metrics: [
    { metric: 'push_received', label: 'received', color: 'var(--line-6)', dash: '4 3' },
    { metric: 'push_delivered', label: 'delivered', color: 'var(--line-1)' },
    { metric: 'push_rejected', label: 'rejected', color: 'var(--line-2)' },
    { metric: 'push_failed', label: 'failed', color: 'var(--line-4)' },
  ],
}
export const RECONNECTS: ChartSpec = {
  id: 'reconnects',
  title: 'Reconnects',
  unit: 'tunnels per step',
  kind: 'bars',
  measure: 'per_step',
  metrics: one('reconnects', 'Reconnects', 'var(--line-3)'),
}
export const INVALIDATIONS: ChartSpec = {
  id: 'session_invalidations',
  title: 'Session invalidations',
  unit: 'sessions per step',
  kind: 'bars',
  measure: 'per_step',
  metrics: one('session_invalidations', 'Invalidations', 'var(--line-2)'),
}
export const PRUNED: ChartSpec = {
  id: 'tokens_pruned',
  title: 'Pruned tokens',
  unit: 'tokens per step',
  kind: 'bars',
  measure: 'per_step',
  metrics: one('tokens_pruned', 'Pruned', 'var(--line-4)'),
}
export const LATENCY: ChartSpec = {
  id: 'latency_ms',
  title: 'Poll latency',
  unit: 'ms',
  kind: 'line',
  measure: 'value',
  metrics: one('latency_ms', 'Latency', 'var(--line-6)'),
}
export const LOOP_DELAY: ChartSpec = {
  id: 'event_loop_delay_ms',
  title: 'Event-loop delay p99',
  unit: 'ms',
  kind: 'line',
  measure: 'value',
  metrics: one('event_loop_delay_ms', 'Delay', 'var(--line-6)'),
}
export const REQUESTS: ChartSpec = {
  id: 'requests',
  title: 'Requests',
  unit: 'per second',
  kind: 'line',
  measure: 'per_second',
  metrics: [
    { metric: 'requests', label: 'all', color: 'var(--line-1)' },
    { metric: 'requests_failed', label: 'failed', color: 'var(--line-2)' },
  ],
}

export const FLEET_CHARTS: readonly ChartSpec[] = [
  CONNECTIONS,
  TUNNELS,
  PUSHES,
  REQUESTS,
  RECONNECTS,
  INVALIDATIONS,
  PRUNED,
]
export const NODE_CHARTS: readonly ChartSpec[] = [
  CONNECTIONS,
  TUNNELS,
  PUSHES,
  REQUESTS,
  RECONNECTS,
  INVALIDATIONS,
  LATENCY,
  LOOP_DELAY,
]

const split = (metric: MetricName, id: string, title: string, unit: string, measure: Measure): ChartSpec => ({
  id,
  title,
  unit,
  kind: 'line',
  measure,
  metrics: [{ metric, label: title, color: 'var(--line-1)' }],
})

/** Charts of a region: one line a node, so one metric each. */
export const REGION_CHARTS: readonly ChartSpec[] = [
  split('connections', 'connections', 'Connections', 'open now', 'value'),
  split('tunnels', 'tunnels', 'Tunnels', 'registered now', 'value'),
  split('requests', 'requests', 'Requests', 'per second', 'per_second'),
  split('push_received', 'push_received', 'Pushes received', 'per second', 'per_second'),
  split('push_delivered', 'push_delivered', 'Pushes delivered', 'per second', 'per_second'),
  split('reconnects', 'reconnects', 'Reconnects', 'tunnels per step', 'per_step'),
  split('latency_ms', 'latency_ms', 'Poll latency', 'ms', 'value'),
]

/** The lines' colours where a chart has one line a node or region. */
export const LINE_COLORS = [
  'var(--line-1)',
  'var(--line-2)',
  'var(--line-3)',
  'var(--line-4)',
  'var(--line-5)',
  'var(--line-6)',
] as const
export const LINE_DASHES = ['', '5 3', '2 2', '7 2 2 2', '1 3', '9 4'] as const
