import type { ProbeChoice } from '../../contract/answers/node-probe.ts'
import { JSON_MAP_NAMES, type JsonMapName } from '../../contract/json-map.ts'

/** Values that are listed of one answer. */
const MAX_CHOICES = 200
/** Levels that are gone down to look for them. */
const MAX_LEVELS = 8

/** Words in a name that say what a value probably is; the first that fits counts. */
const HINTS: readonly (readonly [RegExp, JsonMapName])[] = [
  [/(?:^|[/_])(?:ok|healthy|up)$/, 'ok'],
  [/(?:^|[/_])version$/, 'version'],
  [/(?:^|[/_])region$/, 'region'],
  [/uptime_?(?:s|seconds)?$/, 'uptime_seconds'],
  [/(?:push|apns|notif\w*).*(?:received|total_in)/, 'push_received'],
  [/(?:push|apns|notif\w*).*(?:delivered|sent|send_?ok)/, 'push_delivered'],
  [/(?:push|apns|notif\w*).*reject/, 'push_rejected'],
  [/(?:push|apns|notif\w*).*(?:fail|error)/, 'push_failed'],
  [/tunnels?.*lost/, 'tunnels_lost'],
  [/tunnels?/, 'tunnels'],
  [/reconnect/, 'reconnects'],
  [/(?:accepted|connections?_total|total_connections?)$/, 'connections_accepted'],
  [/connections?.*refused|refused.*connections?/, 'connections_refused'],
  [
    /(?:open|active|current|cur).*(?:connections?|conns?|clients|sessions?|sockets?)|(?:connections?|conns?|clients).*(?:open|active|current)|(?:^|[/_])(?:connections|open)$/,
    'connections',
  ],
  [/(?:5xx|requests?.*(?:fail|error)|errors?(?:_total)?$)/, 'requests_failed'],
  [/requests?/, 'requests'],
  [/rss|resident.*bytes|memory/, 'rss_bytes'],
  [/open_?fds?|file_?descriptors?/, 'open_fds'],
  [/(?:event_?)?loop_?(?:delay|lag)/, 'event_loop_delay_ms'],
  [/bytes.*(?:in|received|up)$/, 'bytes_up'],
  [/bytes.*(?:out|sent|down)$/, 'bytes_down'],
]

/** What a value of this name and type could be mapped to; null where its name says nothing. */
export const suggestionFor = (name: string, value: unknown): JsonMapName | null => {
  const plain = name.replaceAll(/([a-z])([A-Z])/g, '$1_$2').toLowerCase()
  const hint = HINTS.find(([pattern]) => pattern.test(plain))?.[1] ?? null
  if (hint === null || !JSON_MAP_NAMES.includes(hint)) return null
  const wants = hint === 'ok' ? 'boolean' : hint === 'version' || hint === 'region' ? 'string' : 'number'
  return typeof value === wants ? hint : null
}

/** Every value of a document that could be mapped, by its JSON Pointer (RFC 6901), in the order of the document. */
export const choicesOf = (document: unknown): ProbeChoice[] => {
  const found: ProbeChoice[] = []
  const taken = new Set<string>()
  const walk = (value: unknown, pointer: string, level: number): void => {
    if (found.length >= MAX_CHOICES || level > MAX_LEVELS) return
    if (typeof value === 'object' && value !== null) {
      for (const [key, entry] of Object.entries(value))
        walk(entry, `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`, level + 1)
      return
    }
    if (
      pointer === '' ||
      (typeof value !== 'number' && typeof value !== 'boolean' && typeof value !== 'string')
    )
      return
    const suggestion = suggestionFor(pointer, value)
    // Of two that could be the same, the first is the likelier: totals come before their parts.
    const isFirst = suggestion !== null && !taken.has(suggestion)
    if (isFirst) taken.add(suggestion)
    if (typeof value === 'string' && suggestion === null) return
    found.push({ at: pointer, value, suggestion: isFirst ? suggestion : null })
  }
  walk(document, '', 0)
  return found
}

/** The map that the suggestions make; empty where there is none. */
export const suggestedMap = (choices: readonly ProbeChoice[]): Partial<Record<JsonMapName, string>> =>
  Object.fromEntries(choices.flatMap(({ at, suggestion }) => (suggestion === null ? [] : [[suggestion, at]])))
