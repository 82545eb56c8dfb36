import type { Preset } from './preset.ts'

/** The entry point of the page itself; a service has no entry point. */
const CLIENTS = { entrypoint: /^(?!(?:traefik|metrics)$)./ }

/**
 * Traefik 2 and 3, `metrics.prometheus` (https://doc.traefik.io/traefik/observability/metrics/overview/). Series appear with the
 * first request. What comes in by the entry points `traefik` and `metrics` is left out: that is the page, and we who ask for it.
 */
export const TRAEFIK: Preset = {
  sign: 'traefik_config_reloads_total',
  map: {
    started_seconds: { metric: 'process_start_time_seconds' },
    connections: {
      metric: 'traefik_open_connections',
      or: ['traefik_entrypoint_open_connections'],
      where: CLIENTS,
      optional: true,
    },
    requests: { metric: 'traefik_entrypoint_requests_total', where: CLIENTS, optional: true },
    requests_failed: {
      metric: 'traefik_entrypoint_requests_total',
      where: { ...CLIENTS, code: /^5/ },
      optional: true,
    },
    bytes_up: { metric: 'traefik_entrypoint_requests_bytes_total', where: CLIENTS, optional: true },
    bytes_down: { metric: 'traefik_entrypoint_responses_bytes_total', where: CLIENTS, optional: true },
    rss_bytes: { metric: 'process_resident_memory_bytes' },
    open_fds: { metric: 'process_open_fds' },
  },
  tables: [
    {
      id: 'services',
      title: 'Services',
      by: [{ label: 'service', title: 'Service' }],
      columns: [
        {
          key: 'requests',
          label: 'Requests in all',
          cell: 'count',
          metric: 'traefik_service_requests_total',
        },
        {
          key: 'failed',
          label: 'Failed in all',
          cell: 'count',
          metric: 'traefik_service_requests_total',
          where: { code: /^5/ },
        },
        { key: 'retries', label: 'Retries in all', cell: 'count', metric: 'traefik_service_retries_total' },
        { key: 'up', label: 'Servers up', cell: 'count', metric: 'traefik_service_server_up' },
      ],
    },
  ],
}
