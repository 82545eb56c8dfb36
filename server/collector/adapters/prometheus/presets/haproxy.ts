import type { Preset } from './preset.ts'

/** Not the frontend of the page. */
const CLIENTS = { proxy: /^(?!(?:stats|metrics|prometheus)$)/i }

/**
 * HAProxy's own exporter, `http-request use-service prometheus-exporter`
 * (https://github.com/haproxy/haproxy/blob/master/addons/promex/README). A frontend that is called stats, metrics or
 * prometheus is left out: that is the page, and we who ask for it. The kind `haproxy` can drain, too.
 */
export const HAPROXY: Preset = {
  map: {
    version: { metric: 'haproxy_process_build_info', label: 'version' },
    uptime_seconds: { metric: 'haproxy_process_uptime_seconds' },
    connections: { metric: 'haproxy_frontend_current_sessions', where: CLIENTS },
    connections_accepted: { metric: 'haproxy_frontend_sessions_total', where: CLIENTS },
    requests: { metric: 'haproxy_frontend_http_requests_total', where: CLIENTS, optional: true },
    requests_failed: {
      metric: 'haproxy_frontend_http_responses_total',
      labels: { code: '5xx' },
      where: CLIENTS,
      optional: true,
    },
    bytes_up: { metric: 'haproxy_frontend_bytes_in_total', where: CLIENTS },
    bytes_down: { metric: 'haproxy_frontend_bytes_out_total', where: CLIENTS },
  },
  tables: [
    {
      id: 'backends',
      title: 'Backends',
      by: [{ label: 'proxy', title: 'Backend' }],
      columns: [
        {
          key: 'state',
          label: 'State',
          cell: 'state',
          metric: 'haproxy_backend_status',
          labels: { state: 'UP' },
          words: { 1: { tone: 'up', word: 'UP' }, 0: { tone: 'down', word: 'DOWN' } },
        },
        { key: 'servers', label: 'Active servers', cell: 'count', metric: 'haproxy_backend_active_servers' },
        { key: 'sessions', label: 'Sessions', cell: 'count', metric: 'haproxy_backend_current_sessions' },
        { key: 'queue', label: 'Queued', cell: 'count', metric: 'haproxy_backend_current_queue' },
        {
          key: 'requests',
          label: 'Requests in all',
          cell: 'count',
          metric: 'haproxy_backend_http_requests_total',
        },
        {
          key: 'failed',
          label: 'Failed in all',
          cell: 'count',
          metric: 'haproxy_backend_http_responses_total',
          labels: { code: '5xx' },
        },
      ],
    },
    {
      id: 'servers',
      title: 'Servers',
      by: [
        { label: 'proxy', title: 'Backend' },
        { label: 'server', title: 'Server' },
      ],
      columns: [
        {
          key: 'state',
          label: 'State',
          cell: 'state',
          metric: 'haproxy_server_status',
          // One series a state: the one that is 1 holds.
          wordIn: 'state',
          tones: { UP: 'up', DOWN: 'down', MAINT: 'drained', DRAIN: 'draining', NOLB: 'drained' },
        },
        { key: 'sessions', label: 'Sessions', cell: 'count', metric: 'haproxy_server_current_sessions' },
        { key: 'queue', label: 'Queued', cell: 'count', metric: 'haproxy_server_current_queue' },
      ],
    },
  ],
}
