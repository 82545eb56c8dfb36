import type { Preset } from './preset.ts'

/** Not the admin listener, by which we ask. */
const CLIENTS = { envoy_http_conn_manager_prefix: /^(?!admin$)/ }

/**
 * Envoy's `/stats/prometheus` (https://www.envoyproxy.io/docs/envoy/latest/operations/admin, names by
 * …/configuration/listeners/stats and …/http_conn_man/stats). `server_live` is 0 while it fails its health checks, as it does before it
 * is taken out. The kind `envoy` can drain, too.
 */
export const ENVOY: Preset = {
  map: {
    ok: { metric: 'envoy_server_live' },
    uptime_seconds: { metric: 'envoy_server_uptime' },
    connections: { metric: 'envoy_listener_downstream_cx_active', optional: true },
    connections_accepted: { metric: 'envoy_listener_downstream_cx_total', optional: true },
    connections_refused: { metric: 'envoy_listener_downstream_cx_overflow', optional: true },
    requests: { metric: 'envoy_http_downstream_rq_completed', where: CLIENTS, optional: true },
    requests_failed: {
      metric: 'envoy_http_downstream_rq_xx',
      labels: { envoy_response_code_class: '5' },
      where: CLIENTS,
      optional: true,
    },
    bytes_up: { metric: 'envoy_http_downstream_cx_rx_bytes_total', where: CLIENTS, optional: true },
    bytes_down: { metric: 'envoy_http_downstream_cx_tx_bytes_total', where: CLIENTS, optional: true },
    rss_bytes: { metric: 'envoy_server_memory_physical_size' },
  },
  tables: [
    {
      id: 'clusters',
      title: 'Clusters',
      by: [{ label: 'envoy_cluster_name', title: 'Cluster' }],
      columns: [
        { key: 'healthy', label: 'Healthy hosts', cell: 'count', metric: 'envoy_cluster_membership_healthy' },
        { key: 'hosts', label: 'Hosts', cell: 'count', metric: 'envoy_cluster_membership_total' },
        {
          key: 'connections',
          label: 'Connections',
          cell: 'count',
          metric: 'envoy_cluster_upstream_cx_active',
        },
        { key: 'now', label: 'In flight', cell: 'count', metric: 'envoy_cluster_upstream_rq_active' },
        {
          key: 'requests',
          label: 'Requests in all',
          cell: 'count',
          metric: 'envoy_cluster_upstream_rq_total',
        },
        {
          key: 'failed',
          label: 'Failed in all',
          cell: 'count',
          metric: 'envoy_cluster_upstream_rq_xx',
          labels: { envoy_response_code_class: '5' },
        },
      ],
    },
  ],
}
