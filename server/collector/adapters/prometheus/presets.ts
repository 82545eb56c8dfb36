import type { PrometheusMap, PrometheusPreset } from '../../../contract/prometheus-map.ts'
import type { Preset, SourceMap } from './preset.ts'
import { CADDY } from './presets/caddy.ts'
import { CLOUDFLARED } from './presets/cloudflared.ts'
import { ENVOY } from './presets/envoy.ts'
import { HAPROXY } from './presets/haproxy.ts'
import { NGINX } from './presets/nginx.ts'
import { TRAEFIK } from './presets/traefik.ts'

const PRESETS: { readonly [Name in PrometheusPreset]: Preset } = {
  cloudflared: CLOUDFLARED,
  traefik: TRAEFIK,
  caddy: CADDY,
  envoy: ENVOY,
  haproxy: HAPROXY,
  nginx: NGINX,
}

/** What is read of a page: of its program what is known, and what the configuration says beyond or instead. */
export const wantedOf = (
  preset: PrometheusPreset | undefined,
  map: PrometheusMap | undefined,
): { map: SourceMap; tables: Preset['tables']; sign: string | undefined } => {
  const known = preset === undefined ? null : PRESETS[preset]
  return { map: { ...known?.map, ...map }, tables: known?.tables ?? [], sign: known?.sign }
}
