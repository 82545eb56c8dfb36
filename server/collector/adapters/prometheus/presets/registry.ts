import type { PrometheusMap, PrometheusPreset } from '../../../../contract/prometheus-map.ts'
import { CADDY } from './caddy.ts'
import { CLOUDFLARED } from './cloudflared.ts'
import { ENVOY } from './envoy.ts'
import { HAPROXY } from './haproxy.ts'
import { NGINX } from './nginx.ts'
import type { Preset, SourceMap } from './preset.ts'
import { TRAEFIK } from './traefik.ts'

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
