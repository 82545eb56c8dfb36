import type { Preset } from './preset.ts'

/**
 * nginx-prometheus-exporter beside an nginx (https://github.com/nginx/nginx-prometheus-exporter#exported-metrics). When the exporter
 * began and what it needs is no word about nginx, so neither is read. The exporter's own connection is one of the open ones,
 * and with each poll it asks once. The kind
 * `nginx` asks nginx itself.
 */
export const NGINX: Preset = {
  map: {
    ok: { metric: 'nginx_up' },
    connections: { metric: 'nginx_connections_active', own: 1 },
    connections_accepted: { metric: 'nginx_connections_accepted' },
    requests: { metric: 'nginx_http_requests_total', own: 1 },
  },
  tables: [],
}
