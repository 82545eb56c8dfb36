import type { Preset } from './preset.ts'

/** Handlers that pass a request on: the handler that answers it counts it too. */
const ANSWERS = {
  handler:
    /^(?!(?:authentication|encode|headers|intercept|log_append|map|push|request_body|rewrite|templates|tracing|vars)$)/,
}

/**
 * Caddy's `/metrics` (https://caddyserver.com/docs/metrics); requests are counted only with `servers { metrics }`, and by each handler
 * of a server that they pass: those that only pass on are left out. The kind `caddy` knows more than this page: its upstreams.
 */
export const CADDY: Preset = {
  map: {
    started_seconds: { metric: 'process_start_time_seconds' },
    requests: { metric: 'caddy_http_requests_total', where: ANSWERS, silent: true },
    requests_failed: {
      metric: 'caddy_http_request_duration_seconds_count',
      where: { ...ANSWERS, code: /^5/ },
      silent: true,
    },
    rss_bytes: { metric: 'process_resident_memory_bytes' },
    open_fds: { metric: 'process_open_fds' },
  },
  tables: [
    {
      id: 'handlers',
      title: 'Servers and handlers',
      by: [
        { label: 'server', title: 'Server' },
        { label: 'handler', title: 'Handler' },
      ],
      columns: [
        { key: 'requests', label: 'Requests in all', cell: 'count', metric: 'caddy_http_requests_total' },
        { key: 'now', label: 'In flight', cell: 'count', metric: 'caddy_http_requests_in_flight' },
        { key: 'errors', label: 'Errors in all', cell: 'count', metric: 'caddy_http_request_errors_total' },
      ],
    },
    {
      id: 'upstreams',
      title: 'Upstreams',
      by: [{ label: 'upstream', title: 'Upstream' }],
      columns: [
        {
          key: 'state',
          label: 'State',
          cell: 'state',
          metric: 'caddy_reverse_proxy_upstreams_healthy',
          words: { 1: { tone: 'up', word: 'healthy' }, 0: { tone: 'down', word: 'unhealthy' } },
        },
      ],
    },
  ],
}
