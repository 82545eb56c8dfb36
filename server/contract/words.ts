/**
 * Numbers, spans of time and lists as people read them: one way for the pages, the command line, notifications and exports, so that
 * two places that show one thing show the same words.
 */

const tenths = (value: number): string => String(Math.floor(value * 10) / 10)

/** `1 240`: thousands apart, whatever the reader's locale. */
export const countWords = (count: number): string =>
  String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ' ')

/** `1 tunnel`, `4 tunnels`. */
export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${countWords(count)} ${Math.round(count) === 1 ? one : many}`

/** The verb that follows a count: `1 event was`, `3 events were`. */
export const verbFor = (count: number, one: string, many: string): string =>
  Math.round(count) === 1 ? one : many

/**
 * A span, given in ms: `840 ms`, `1.5 s`, `12 s`, `3 min`, `2 h 5 min`, `4 d 2 h`. Cut, never rounded up: what has not passed yet is
 * not counted.
 */
export const durationWords = (ms: number): string => {
  const value = Math.max(0, ms)
  if (value < 1000) return `${Math.floor(value)} ms`
  const seconds = value / 1000
  if (seconds < 10) return `${tenths(seconds)} s`
  if (seconds < 120) return `${Math.floor(seconds)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  const days = Math.floor(hours / 24)
  return hours % 24 === 0 ? `${days} d` : `${days} d ${hours % 24} h`
}

/** `fra-1`, `fra-1 and fra-2`, `fra-1, fra-2 and 3 more`. */
export const listWords = (names: readonly string[], shown = 3): string => {
  if (names.length <= 1) return names[0] ?? ''
  if (names.length > shown) return `${names.slice(0, shown).join(', ')} and ${names.length - shown} more`
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

/** `1 connection and 3 requests`, `2 requests`: what is open, without what is not. */
export const openWords = (connections: number, requests: number, tunnels = 0): string => {
  const parts = [
    ...(connections > 0 ? [plural(connections, 'connection')] : []),
    ...(requests > 0 ? [plural(requests, 'request')] : []),
    ...(tunnels > 0 ? [plural(tunnels, 'tunnel')] : []),
  ]
  return parts.length === 0 ? 'nothing' : listWords(parts)
}
