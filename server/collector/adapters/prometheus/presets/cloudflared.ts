import type { Preset } from './preset.ts'

/**
 * cloudflared, `--metrics` (https://developers.cloudflare.com/tunnel/monitoring/metrics/). Its connections to the edge are always open
 * while it serves: what has to end before it can go are the requests that it holds, TCP sessions and WebSockets among them.
 */
export const CLOUDFLARED: Preset = {
  map: {
    ok: { metric: 'cloudflared_tunnel_ha_connections' },
    version: { metric: 'build_info', label: 'version' },
    started_seconds: { metric: 'process_start_time_seconds' },
    connections: { metric: 'cloudflared_tunnel_concurrent_requests_per_tunnel' },
    requests: { metric: 'cloudflared_tunnel_total_requests' },
    requests_failed: { metric: 'cloudflared_tunnel_request_errors' },
    rss_bytes: { metric: 'process_resident_memory_bytes' },
    open_fds: { metric: 'process_open_fds' },
  },
  tables: [
    {
      id: 'edge',
      title: 'Connections to the edge',
      by: [
        { label: 'connection_id', title: 'Connection' },
        { label: 'edge_location', title: 'Location' },
      ],
      // Places where a connection was before stay on the page with 0.
      present: 'state',
      columns: [
        {
          key: 'state',
          label: 'State',
          cell: 'state',
          metric: 'cloudflared_tunnel_server_locations',
          words: { 1: { tone: 'up', word: 'connected' } },
        },
      ],
    },
    {
      id: 'responses',
      title: 'Responses by status',
      by: [{ label: 'status_code', title: 'Status' }],
      columns: [
        {
          key: 'responses',
          label: 'Responses in all',
          cell: 'count',
          metric: 'cloudflared_tunnel_response_by_code',
        },
      ],
    },
  ],
}
