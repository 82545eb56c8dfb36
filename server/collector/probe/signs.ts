import { idSchema } from '../../contract/ids.ts'
import { readJson } from '../adapters/untrusted-json.ts'

/** What an answer looks like. `strong`: nothing else answers like that. */
export interface Sign {
  kind: string
  preset?: string
  why: string
  strong: boolean
}

/** Paths below an address without one, with whose they are; asked in this order. */
export const KNOWN_PATHS = [
  '/health',
  '/server_info',
  '/reverse_proxy/upstreams',
  '/metrics',
  '/stub_status',
  '/nginx_status',
  '/basic_status',
] as const

/** Beginnings of metric names, and the program whose exporter uses them. */
const PRESETS: readonly (readonly [RegExp, string])[] = [
  [/^cloudflared_/m, 'cloudflared'],
  [/^traefik_/m, 'traefik'],
  [/^caddy_/m, 'caddy'],
  [/^envoy_/m, 'envoy'],
  [/^haproxy_/m, 'haproxy'],
  [/^nginx_/m, 'nginx'],
]

const SERIES_COMMENT = /^# (?:TYPE|HELP) [a-zA-Z_:]/m
const SERIES_LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})?\s+[-+]?(?:\d|Inf|NaN)\S*(?:\s+-?\d+)?\s*$/
const ENVOY_STATES = ['LIVE', 'DRAINING', 'PRE_INITIALIZING', 'INITIALIZING']

/** What an answer with status 200 looks like, the likeliest first. Anything at all is a page that can be checked. */
export const signsOf = (text: string, path: string): Sign[] => {
  const signs: Sign[] = []
  const trimmed = text.trimStart()
  if (/^Active connections: \d+\s+server accepts/.test(trimmed))
    signs.push({ kind: 'nginx', why: 'it answers as stub_status does', strong: true })
  if (/^[[{n]/.test(trimmed)) signs.push(...jsonSigns(text, path))
  else if (!trimmed.startsWith('<') && hasSeries(text)) signs.push(seriesSign(text))
  const what = trimmed.startsWith('<')
    ? 'a web page'
    : trimmed === ''
      ? 'nothing but a status'
      : 'something that no other kind reads'
  if (!signs.some(({ strong }) => strong))
    signs.push({
      kind: 'http',
      why: `it answers with ${what}: status and latency can be watched`,
      strong: false,
    })
  return signs
}

/** Series say so by their comments, or by most of the lines; a word and a number alone are the answer of many a page. */
const hasSeries = (text: string): boolean => {
  if (SERIES_COMMENT.test(text)) return true
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'))
  const series = lines.flatMap((line) => [SERIES_LINE.exec(line) ?? []].filter(({ length }) => length > 0))
  const isNamed = series.some(([, name = '', labels]) => name.includes('_') || labels !== undefined)
  return 2 * series.length > lines.length && (isNamed || series.length > 1)
}

const seriesSign = (text: string): Sign => {
  const preset = PRESETS.find(([pattern]) => pattern.test(text))?.[1]
  return preset === undefined
    ? { kind: 'prometheus', why: 'it answers with Prometheus series', strong: true }
    : { kind: 'prometheus', preset, why: `it answers with Prometheus series of ${preset}`, strong: true }
}

const jsonSigns = (text: string, path: string): Sign[] => {
  const read = readJson(text)
  if (!read.ok) return []
  const { value } = read
  if (Array.isArray(value) || value === null) {
    const isUpstreams = path.endsWith('/reverse_proxy/upstreams')
    return isUpstreams
      ? [{ kind: 'caddy', why: "it answers as Caddy's admin endpoint does", strong: true }]
      : []
  }
  if (typeof value !== 'object') return []
  const document = value as Record<string, unknown>
  const has = (...names: string[]) => names.every((name) => Object.hasOwn(document, name))
  if (has('node', 'region', 'epoch', 'seq', 'state'))
    return [{ kind: 'tidegate', why: 'it answers with the health document of a Tidegate node', strong: true }]
  if (has('version', 'state') && ENVOY_STATES.includes(String(document.state)))
    return [{ kind: 'envoy', why: "it answers as Envoy's admin interface does", strong: true }]
  const json = { kind: 'json' as const, strong: false }
  if (has('ok', 'apns'))
    return [
      {
        ...json,
        preset: 'push-gateway',
        why: 'it answers with ok and apns, as a push gateway does',
        strong: true,
      },
    ]
  // One that says more than that has numbers of its own.
  if (has('ok', 'region') && Object.values(document).every((value) => typeof value !== 'object'))
    return [{ ...json, preset: 'relay', why: 'it answers with ok and region, as a relay does' }]
  return [{ ...json, why: 'it answers with JSON, of which values can be mapped' }]
}

/** Who a node of ours is. */
export interface Called {
  readonly id: string
  readonly region: string
}

/** Who a health document says that its node is; null where it is none. */
export const calledIn = (text: string | null): Called | null => {
  const read = readJson(text ?? '')
  if (!read.ok || typeof read.value !== 'object' || read.value === null) return null
  const { node, region } = read.value as Record<string, unknown>
  const [id, place] = [idSchema.safeParse(node), idSchema.safeParse(region)]
  return id.success && place.success ? { id: id.data, region: place.data } : null
}
