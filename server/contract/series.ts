/** How a metric of `/series` is kept and shown. Counters are increases per step, gauges min / max / avg. */
export interface SeriesMetric {
  kind: 'gauge' | 'counter'
  unit: string
  label: string
  /** How nodes add up to a region or the fleet. */
  across: 'sum' | 'max'
}

export const SERIES_METRICS = {
  connections: { kind: 'gauge', unit: 'connections', label: 'Connections', across: 'sum' },
  connections_accepted: {
    kind: 'counter',
    unit: 'connections',
    label: 'Connections accepted',
    across: 'sum',
  },
  connections_refused: { kind: 'counter', unit: 'connections', label: 'Connections refused', across: 'sum' },
  bytes_up: { kind: 'counter', unit: 'bytes', label: 'Bytes to targets', across: 'sum' },
  bytes_down: { kind: 'counter', unit: 'bytes', label: 'Bytes to clients', across: 'sum' },
  requests: { kind: 'counter', unit: 'requests', label: 'Requests', across: 'sum' },
  requests_failed: { kind: 'counter', unit: 'requests', label: 'Requests failed', across: 'sum' },
  tunnels: { kind: 'gauge', unit: 'tunnels', label: 'Tunnels', across: 'sum' },
  tunnels_lost: { kind: 'counter', unit: 'tunnels', label: 'Tunnels lost', across: 'sum' },
  reconnects: { kind: 'counter', unit: 'reconnects', label: 'Reconnects', across: 'sum' },
  gap_ms: { kind: 'gauge', unit: 'ms', label: 'Longest gap', across: 'max' },
  push_received: { kind: 'counter', unit: 'pushes', label: 'Pushes received', across: 'sum' },
  push_delivered: { kind: 'counter', unit: 'pushes', label: 'Pushes delivered', across: 'sum' },
  push_rejected: { kind: 'counter', unit: 'pushes', label: 'Pushes rejected', across: 'sum' },
  push_failed: { kind: 'counter', unit: 'pushes', label: 'Pushes failed', across: 'sum' },
  session_invalidations: { kind: 'counter', unit: 'sessions', label: 'Session invalidations', across: 'sum' },
  tokens_pruned: { kind: 'counter', unit: 'tokens', label: 'Tokens pruned', across: 'sum' },
  latency_ms: { kind: 'gauge', unit: 'ms', label: 'Poll latency', across: 'max' },
  event_loop_delay_ms: { kind: 'gauge', unit: 'ms', label: 'Event-loop delay p99', across: 'max' },
  rss_bytes: { kind: 'gauge', unit: 'bytes', label: 'Memory', across: 'sum' },
  open_fds: { kind: 'gauge', unit: 'files', label: 'Open files', across: 'sum' },
} as const satisfies Record<string, SeriesMetric>

export type MetricName = keyof typeof SERIES_METRICS
export const METRIC_NAMES = Object.keys(SERIES_METRICS) as MetricName[]

/** A poll may be stored this many ms after it was measured: a step is whole that much after its end. */
export const SETTLE_MS = 1500
